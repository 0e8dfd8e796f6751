//! The worker that writes checkpoints: one per node, off every chain's path.

use catenary_platform::Platform;
use catenary_store::index::{Batch, IndexError, Space};
use crossbeam_channel::{Sender, unbounded};
use std::{
    io,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

type Completion = Box<dyn FnOnce(Result<(), IndexError>) + Send>;

enum Command {
    Write(Space, Batch, Completion),
    Flush(Sender<()>),
}

/// Writes batches to the index, in order. Each chain has at most one batch under way, which bounds the queue.
#[derive(Clone)]
pub struct IndexWriter {
    platform: Platform,
    queue: Sender<Command>,
    written: Arc<AtomicU64>,
}

impl IndexWriter {
    /// Starts the worker; it ends when the last handle is gone.
    pub fn start(platform: &Platform) -> io::Result<Self> {
        let (queue, commands) = unbounded::<Command>();
        let written = Arc::new(AtomicU64::new(0));
        let counter = written.clone();
        platform.start("index", move |wait| {
            match wait.next(&commands)? {
                Some(Command::Write(space, batch, completion)) => {
                    let result = space.apply(batch);
                    counter.fetch_add(u64::from(result.is_ok()), Ordering::Relaxed);
                    completion(result);
                }
                // Whoever waits may be gone.
                Some(Command::Flush(done)) => drop(done.send(())),
                None => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(Self { platform: platform.clone(), queue, written })
    }

    /// Batches written since the worker was started.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Queues a batch; `completion` runs on the worker.
    pub fn write(
        &self,
        space: Space,
        batch: Batch,
        completion: impl FnOnce(Result<(), IndexError>) + Send + 'static,
    ) {
        // The worker lives as long as this handle.
        let _ = self.queue.send(Command::Write(space, batch, Box::new(completion)));
    }

    /// Waits until everything queued so far is written or has failed. Not for actors.
    pub fn flush(&self) {
        let (done, wait) = unbounded();
        if self.queue.send(Command::Flush(done)).is_ok() {
            let _ = self.platform.wait(&wait);
        }
    }
}
