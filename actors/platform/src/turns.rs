//! Workers that take turns on one thread.

use crate::Wait;
use catenary_types::Timestamp;
use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Rounds in which everybody may take a turn while one waits; what has not come by then never comes.
const ROUNDS_MAX: usize = 10_000;

type Worker = Box<dyn FnMut(Wait) -> ControlFlow<()> + Send>;
type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// The workers of one simulated node, and its clock. A worker does nothing but in a turn that [`Self::give`] gives it, or
/// while another one waits.
pub struct Turns {
    clock: Clock,
    shared_folder: PathBuf,
    workers: Mutex<Workers>,
}

#[derive(Default)]
struct Workers {
    started: u64,
    /// In the order in which they were started.
    present: Vec<Entry>,
}

struct Entry {
    number: u64,
    name: String,
    /// Whether it may go on while others wait: what is done once may wait itself.
    serves: bool,
    /// Out while it takes its turn.
    worker: Option<Worker>,
}

impl Turns {
    /// Nobody yet, with this clock and this folder in the place of one for all processes.
    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static, shared_folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { clock: Box::new(clock), shared_folder, workers: Mutex::default() })
    }

    /// Numbers and names of all workers that have not ended, in the order in which they were started.
    pub fn workers(&self) -> Vec<(u64, String)> {
        self.lock().present.iter().map(|entry| (entry.number, entry.name.clone())).collect()
    }

    /// Gives a worker a turn, unless it has ended or is in the middle of one.
    pub fn give(&self, number: u64) {
        let Some(mut worker) = self.entry(number, |entry| entry.worker.take()) else { return };
        let turn = catch_unwind(AssertUnwindSafe(|| worker(Wait::Not)));
        if matches!(turn, Ok(ControlFlow::Continue(()))) {
            // Gone if everything was killed meanwhile.
            self.entry(number, |entry| entry.worker = Some(worker));
        } else {
            self.lock().present.retain(|entry| entry.number != number);
        }
    }

    /// Ends all workers where they are, with what waits in their queues.
    pub fn kill(&self) {
        let killed = std::mem::take(&mut self.lock().present);
        drop(killed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn shared_folder(&self) -> &Path {
        &self.shared_folder
    }

    pub(crate) fn start(&self, name: &str, worker: Worker) -> u64 {
        self.enter(name, true, worker)
    }

    pub(crate) fn start_once(&self, name: &str, work: Box<dyn FnOnce() + Send>) {
        let mut work = Some(work);
        let worker = move |_| {
            work.take().into_iter().for_each(|work| work());
            ControlFlow::Break(())
        };
        self.enter(name, false, Box::new(worker));
    }

    /// Lets the others go on until something has come.
    pub(crate) fn until<T>(&self, mut come: impl FnMut() -> Option<T>) -> T {
        for _ in 0..ROUNDS_MAX {
            if let Some(come) = come() {
                return come;
            }
            let serving: Vec<_> =
                self.lock().present.iter().filter(|entry| entry.serves).map(|entry| entry.number).collect();
            serving.into_iter().for_each(|number| self.give(number));
        }
        panic!("what a worker waits for never comes; there are {:?}", self.workers())
    }

    /// Whether nobody need wait for a worker: it has ended, or is the one that takes its turn now.
    pub(crate) fn may_leave(&self, number: u64) -> bool {
        self.entry(number, |entry| entry.worker.is_some().then_some(())).is_none()
    }

    fn enter(&self, name: &str, serves: bool, worker: Worker) -> u64 {
        let mut workers = self.lock();
        workers.started += 1;
        let number = workers.started;
        workers.present.push(Entry { number, name: name.to_owned(), serves, worker: Some(worker) });
        number
    }

    fn entry<T: Default>(&self, number: u64, with: impl FnOnce(&mut Entry) -> T) -> T {
        self.lock().present.iter_mut().find(|entry| entry.number == number).map(with).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Workers> {
        // No worker runs under the lock.
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;
    use crossbeam_channel::{RecvError, bounded, unbounded};

    fn platform() -> (Platform, Arc<Turns>) {
        let turns = Turns::new(|| Timestamp(7), PathBuf::new());
        (Platform::Simulated(turns.clone()), turns)
    }

    #[test]
    fn a_worker_works_in_its_turns_alone_and_ends_when_nobody_can_send() {
        let (platform, turns) = platform();
        let (send, queue) = unbounded();
        let (done, seen) = unbounded();
        let worker = move |wait: Wait| match wait.next(&queue)? {
            Some(number) => done.send(number).map_or(ControlFlow::Break(()), ControlFlow::Continue),
            None => ControlFlow::Continue(()),
        };
        platform.start("echo", worker).unwrap();
        (1..=2).for_each(|number| send.send(number).unwrap());
        assert!(seen.is_empty());
        turns.give(1);
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [1]);
        (0..2).for_each(|_| turns.give(1));
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [2]);
        assert_eq!(turns.workers(), [(1, "echo".to_owned())]);
        drop(send);
        turns.give(1);
        assert_eq!((turns.workers(), platform.now()), (vec![], Timestamp(7)));
    }

    #[test]
    fn while_one_waits_the_others_go_on_and_what_is_done_once_does_not() {
        let (platform, turns) = platform();
        let (send, queue) = bounded(1);
        let (done, seen) = unbounded();
        let double = move |wait: Wait| {
            let next: Option<u64> = wait.next(&queue)?;
            next.into_iter().for_each(|number| done.send(2 * number).unwrap());
            ControlFlow::Continue(())
        };
        let running = platform.start("double", double).unwrap();
        platform.start_once("once", || panic!("nobody gives it a turn")).unwrap();
        for number in 1..=3 {
            // The queue takes one at a time.
            platform.send(&send, number).unwrap();
        }
        assert_eq!([2, 4, 6].map(|_| platform.wait(&seen).unwrap()), [2, 4, 6]);
        drop(send);
        running.join();
        assert_eq!(platform.wait(&seen), Err(RecvError));
        turns.give(2);
        assert!(turns.workers().is_empty(), "a panic ends a worker");
    }

    #[test]
    fn what_is_killed_does_nothing_more() {
        let (platform, turns) = platform();
        let (send, queue) = unbounded();
        let running = platform.start("deaf", move |wait| wait.next(&queue).map_continue(|_: Option<()>| ()));
        turns.kill();
        assert!(send.send(()).is_err());
        running.unwrap().join();
    }
}
