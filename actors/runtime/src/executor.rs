//! Executors: the node's threads for work that takes long, one per core, shared by all chains.
//!
//! Each chain has a lane: its tasks run one at a time, in order. Lanes take turns, one task each, so a busy chain slows
//! itself and not the others. A hundred idle lanes cost no thread.

use catenary_platform::Platform;
use crossbeam_channel::{Sender, unbounded};
use std::{
    collections::VecDeque,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Something with one task to run.
trait Turn: Send + Sync {
    /// Runs the next task and queues itself again if there are more.
    fn take(self: Arc<Self>);
}

/// The threads. They end when neither this nor a lane is left.
#[derive(Debug)]
pub struct Executors {
    turns: Sender<Arc<dyn Turn>>,
}

type Task<T> = Box<dyn FnOnce(&mut T) + Send>;

/// A queue of tasks over a value that they alone touch.
pub struct Lane<T> {
    turns: Sender<Arc<dyn Turn>>,
    tasks: Mutex<Tasks<T>>,
    value: Mutex<Option<T>>,
}

struct Tasks<T> {
    waiting: VecDeque<Task<T>>,
    queued: bool,
    on_panic: Option<Box<dyn FnOnce() + Send>>,
}

/// The lane takes no more tasks: it was closed, or one of them panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lane is closed")]
pub struct LaneClosed;

impl Executors {
    /// Starts this many threads.
    pub fn start(platform: &Platform, threads: usize) -> io::Result<Self> {
        let (turns, queue) = unbounded::<Arc<dyn Turn>>();
        for number in 0..threads.max(1) {
            let queue = queue.clone();
            platform.start(&format!("executor-{number}"), move |wait| {
                wait.next(&queue)?.into_iter().for_each(Turn::take);
                ControlFlow::Continue(())
            })?;
        }
        Ok(Self { turns })
    }

    /// A lane over a value. `on_panic` runs once, on an executor thread, if a task panics; the value is dropped then.
    pub fn lane<T: Send + 'static>(
        &self,
        value: T,
        on_panic: impl FnOnce() + Send + 'static,
    ) -> Arc<Lane<T>> {
        let tasks = Tasks { waiting: VecDeque::new(), queued: false, on_panic: Some(Box::new(on_panic)) };
        Arc::new(Lane { turns: self.turns.clone(), tasks: Mutex::new(tasks), value: Mutex::new(Some(value)) })
    }
}

impl<T: Send + 'static> Lane<T> {
    /// Queues a task behind those that wait.
    pub fn run(self: &Arc<Self>, task: impl FnOnce(&mut T) + Send + 'static) -> Result<(), LaneClosed> {
        let mut tasks = lock(&self.tasks);
        if tasks.on_panic.is_none() {
            return Err(LaneClosed);
        }
        tasks.waiting.push_back(Box::new(task));
        if !tasks.queued {
            tasks.queued = true;
            // The receivers live as long as the executors; without them nothing runs any more.
            let _ = self.turns.send(self.clone());
        }
        Ok(())
    }

    /// How many tasks wait.
    pub fn waiting(&self) -> usize {
        lock(&self.tasks).waiting.len()
    }

    /// Takes no more tasks, forgets those that wait, and drops the value once no task holds it. Never waits.
    pub fn close(&self) {
        let mut tasks = lock(&self.tasks);
        tasks.on_panic = None;
        tasks.waiting.clear();
        drop(tasks);
        // A task that runs now holds the value; its turn drops it when it sees that the lane is closed.
        if let Ok(mut value) = self.value.try_lock() {
            value.take();
        }
    }
}

impl<T: Send + 'static> Turn for Lane<T> {
    fn take(self: Arc<Self>) {
        let Some(task) = lock(&self.tasks).waiting.pop_front() else {
            lock(&self.tasks).queued = false;
            return;
        };
        let mut value = lock(&self.value);
        if let Some(inner) = value.as_mut()
            && catch_unwind(AssertUnwindSafe(|| task(inner))).is_err()
        {
            value.take();
            drop(value);
            let mut tasks = lock(&self.tasks);
            tasks.waiting.clear();
            let on_panic = tasks.on_panic.take();
            drop(tasks);
            if let Some(on_panic) = on_panic {
                on_panic();
            }
            return;
        }
        let mut tasks = lock(&self.tasks);
        if tasks.on_panic.is_none() {
            value.take();
        }
        drop(value);
        if tasks.waiting.is_empty() {
            tasks.queued = false;
        } else {
            drop(tasks);
            let turns = self.turns.clone();
            let _ = turns.send(self);
        }
    }
}

/// A panic is caught before it can poison a lock, except in `drop` of a value that is thrown away anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn tasks_of_a_lane_run_in_order_and_lanes_take_turns() {
        let executors = Executors::start(&Platform::default(), 1).unwrap();
        let (done, order) = channel();
        let busy = executors.lane(0, || ());
        let other = executors.lane(0, || ());
        let (go, gate) = channel::<()>();
        busy.run(move |_| gate.recv().unwrap()).unwrap();
        for number in 0..3 {
            let done = done.clone();
            busy.run(move |_| done.send(("busy", number)).unwrap()).unwrap();
        }
        other.run(move |_| done.send(("other", 0)).unwrap()).unwrap();
        go.send(()).unwrap();
        let order: Vec<_> = order.iter().collect();
        assert_eq!(order, [("other", 0), ("busy", 0), ("busy", 1), ("busy", 2)]);
    }

    #[test]
    fn a_panic_closes_its_lane_and_no_other() {
        let executors = Executors::start(&Platform::default(), 1).unwrap();
        let (fell, fallen) = channel();
        let lane = executors.lane((), move || fell.send(()).unwrap());
        lane.run(|()| panic!("expected by the test")).unwrap();
        fallen.recv().unwrap();
        assert_eq!(lane.run(|()| ()), Err(LaneClosed));
        let (done, wait) = channel();
        executors.lane((), || ()).run(move |()| done.send(()).unwrap()).unwrap();
        wait.recv().unwrap();
    }
}
