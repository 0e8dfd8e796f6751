//! What a node runs on: threads for what may wait, a clock, and a folder that all processes of a user share.
//!
//! ```text
//!                 ┌─ Machine ─── a thread of its own, asleep while there is nothing to do
//!  worker, queue ─┤
//!                 └─ Turns ───── takes a turn on the one thread there is, when the owner of the turns says so
//! ```
//!
//! Everything of a node that is no actor is a worker: a function that takes what is next from its queue and deals with it.
//! The same function runs on a thread, where it may sleep until there is something, and in a simulation, where it may not.
//! Whoever needs the outcome of a worker waits through [`Platform::wait`], so that in a simulation the workers go on
//! meanwhile.
//!
//! # Invariants
//!
//! - Production runs on threads and pays nothing for the other case but a comparison.
//! - In a simulation nothing here starts a thread, reads a clock or draws a random number.
//! - What a worker does is unknown here.

mod machine;
mod turns;
mod worker;

pub use machine::now;
pub use turns::Turns;
pub use worker::{Running, Wait};

use catenary_types::Timestamp;
use crossbeam_channel::{Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError};
use std::{fmt, io, ops::ControlFlow, path::PathBuf, sync::Arc};

/// What a node runs on; cheap to clone.
#[derive(Clone, Default)]
pub enum Platform {
    /// The threads and the clock of this machine.
    #[default]
    Machine,
    /// Turns on one thread, and a clock that somebody else sets.
    Simulated(Arc<Turns>),
}

impl Platform {
    /// Wall-clock time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::Machine => now(),
            Self::Simulated(turns) => turns.now(),
        }
    }

    /// A folder that every process of this user finds.
    pub fn shared_folder(&self) -> PathBuf {
        match self {
            Self::Machine => std::env::temp_dir(),
            Self::Simulated(turns) => turns.shared_folder().to_owned(),
        }
    }

    /// Starts a worker, which takes turns until it breaks off. A panic ends it.
    pub fn start(
        &self,
        name: &str,
        worker: impl FnMut(Wait) -> ControlFlow<()> + Send + 'static,
    ) -> io::Result<Running> {
        match self {
            Self::Machine => machine::start(name, worker),
            Self::Simulated(turns) => Ok(Running::Turns(turns.clone(), turns.start(name, Box::new(worker)))),
        }
    }

    /// Starts a single piece of work that may wait.
    pub fn start_once(&self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        match self {
            Self::Machine => machine::start_once(name, work),
            Self::Simulated(turns) => {
                turns.start_once(name, Box::new(work));
                Ok(())
            }
        }
    }

    /// Does what reads files while the caller, who must not wait, does something else. Nothing if it panicked.
    pub async fn read<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        match self {
            Self::Machine => tokio::task::spawn_blocking(read).await.ok(),
            Self::Simulated(turns) => {
                let (done, outcome) = tokio::sync::oneshot::channel();
                // Whoever asked may be gone.
                turns.start_once("read", Box::new(move || drop(done.send(read()))));
                outcome.await.ok()
            }
        }
    }

    /// Waits for something from a worker. Not for actors.
    pub fn wait<T>(&self, from: &Receiver<T>) -> Result<T, RecvError> {
        let Self::Simulated(turns) = self else { return from.recv() };
        turns.until(|| match from.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Disconnected) => Some(Err(RecvError)),
            Err(TryRecvError::Empty) => None,
        })
    }

    /// Gives something to a worker, waiting while its queue is full. Not for actors.
    pub fn send<T>(&self, to: &Sender<T>, value: T) -> Result<(), SendError<T>> {
        let Self::Simulated(turns) = self else { return to.send(value) };
        let mut kept = Some(value);
        turns.until(|| match to.try_send(kept.take()?) {
            Ok(()) => Some(Ok(())),
            Err(TrySendError::Disconnected(value)) => Some(Err(SendError(value))),
            Err(TrySendError::Full(value)) => {
                kept = Some(value);
                None
            }
        })
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "Machine",
            Self::Simulated(_) => "Simulated",
        })
    }
}
