//! What a worker is given for a turn, and what its owner holds.

use crate::Turns;
use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};
use std::{
    fmt,
    ops::ControlFlow,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::time::Instant;

/// Whether a worker whose queue is empty waits for something to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It does: its thread has nothing else to do.
    ForWork,
    /// It does not: others want their turn.
    Not,
}

impl Wait {
    /// The next of a queue, nothing if none is there yet; breaks off when nobody can send any more.
    pub fn next<T>(self, queue: &Receiver<T>) -> ControlFlow<(), Option<T>> {
        match self {
            Self::ForWork => {
                queue.recv().map_or(ControlFlow::Break(()), |next| ControlFlow::Continue(Some(next)))
            }
            Self::Not => match queue.try_recv() {
                Ok(next) => ControlFlow::Continue(Some(next)),
                Err(TryRecvError::Empty) => ControlFlow::Continue(None),
                Err(TryRecvError::Disconnected) => ControlFlow::Break(()),
            },
        }
    }

    /// The same, waiting until `due` at the longest.
    pub fn next_until<T>(self, queue: &Receiver<T>, due: Option<Instant>) -> ControlFlow<(), Option<T>> {
        let (Self::ForWork, Some(due)) = (self, due) else { return self.next(queue) };
        match queue.recv_deadline(due.into_std()) {
            Ok(next) => ControlFlow::Continue(Some(next)),
            Err(RecvTimeoutError::Timeout) => ControlFlow::Continue(None),
            Err(RecvTimeoutError::Disconnected) => ControlFlow::Break(()),
        }
    }

    /// Sleeps for a while, or until somebody wakes it.
    pub fn rest(self, longest: Duration, woken: &Receiver<()>) {
        // Either way the rest is over. Without one, what woke it is dealt with all the same.
        let longest = if self == Self::ForWork { longest } else { Duration::ZERO };
        let _ = woken.recv_timeout(longest);
    }
}

/// A worker that runs.
pub enum Running {
    /// On its own thread.
    Thread(JoinHandle<()>),
    /// In turns, under this number.
    Turns(Arc<Turns>, u64),
}

impl Running {
    /// Waits until the worker has ended, unless it is the worker that asks.
    pub fn join(self) {
        match self {
            Self::Thread(thread) if thread.thread().id() == thread::current().id() => {}
            // One that panicked has ended too.
            Self::Thread(thread) => drop(thread.join()),
            Self::Turns(turns, number) => turns.until(|| turns.may_leave(number).then_some(())),
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}
