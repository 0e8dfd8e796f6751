//! The door for monitoring: `GET /metrics`, `/healthz` and `/readyz`.
//!
//! Nothing is counted here. What the actors counted is read when somebody asks, by the node's own task, so the door holds no part
//! of the node and a scrape costs a chain one message.
//!
//! | File | What it does |
//! |---|---|
//! | `http.rs` | connections, their limits, and what is asked |
//! | `snapshot.rs` | reads what a node has counted |
//! | `families.rs` | every metric: name, help, labels |
//! | `process.rs` | memory, descriptors and processor time of the process |

mod families;
mod http;
mod process;
mod snapshot;

pub use http::{MetricsDoor, Question};
pub use snapshot::Source;

use families::{Families, families};
use prometheus_client::{encoding::text::encode, registry::Registry};
use snapshot::{Snapshot, snapshot};
use tokio::sync::mpsc;

/// Answers what the door passes on, as long as it is polled.
pub async fn answer(source: &Source<'_>, questions: Option<&mut mpsc::Receiver<Question>>) {
    // Without a door nobody asks, and the others that run beside this go on.
    let Some(questions) = questions else { return std::future::pending().await };
    while let Some(question) = questions.recv().await {
        let snapshot = snapshot(source).await;
        // Whoever asked may be gone.
        let _ = match question {
            Question::Metrics(reply) => reply.send(text(&snapshot)).is_ok(),
            Question::Ready(reply) => reply.send(snapshot.obstacles()).is_ok(),
        };
    }
    std::future::pending().await
}

/// The text that Prometheus reads.
fn text(snapshot: &Snapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families(snapshot))));
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes everything");
    text
}
