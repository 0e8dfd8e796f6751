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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::{
        process::Process,
        snapshot::{ChainSnapshot, Doing},
        *,
    };
    use catenary_crypto::SigningKey;
    use catenary_relay::{
        gateway::{Refusal, RefusalReason},
        query::{Activity, ChainStatus},
    };
    use catenary_runtime::{ChainStats, PacketStats, RouterStats};
    use catenary_store::disk::Space;
    use catenary_types::{Height, Timestamp, Trust};
    use std::{collections::BTreeSet, time::Duration};

    const ALERTS: &str = include_str!("../../../../docs/alerts.yml");
    const GUIDE: &str = include_str!("../../../../docs/operator.md");
    const CHAIN: &str = "a-0123456789abcdef-1";

    /// A snapshot that has a sample of every metric.
    fn whole() -> Snapshot {
        let status = ChainStatus {
            chain_id: CHAIN.parse().unwrap(),
            height: Height(7),
            time: Timestamp(1_500_000_000),
            app_hash: Default::default(),
            trust: Trust::Byzantine,
            validators: 4,
            pool: 3,
            activity: Activity::Idle,
        };
        let mut stats = ChainStats { blocks: 5, ..ChainStats::default() };
        let disk_full = RefusalReason::ALL.iter().position(|reason| *reason == RefusalReason::DiskFull);
        stats.refused[disk_full.unwrap()] = 2;
        let packets = PacketStats { sent: 9, ..PacketStats::default() };
        let processor_time = Some(Duration::from_millis(250));
        Snapshot {
            chains: vec![ChainSnapshot {
                chain: CHAIN.into(),
                doing: Doing::Idle,
                status: Some(status),
                stats,
            }],
            node: Default::default(),
            links: [(SigningKey::from_seed(&[1; 32]).public_key(), true)].into(),
            router: Some((vec![CHAIN.into()], RouterStats { packets: vec![packets], waiting: 6 })),
            space: Some(Space { free: 10, size: 20 }),
            refusal: None,
            process: Process {
                resident_bytes: Some(1),
                descriptors: Some(1),
                descriptors_max: Some(1),
                processor_time,
            },
        }
    }

    /// Names of metrics in a text: words that begin like one.
    fn names(text: &str) -> BTreeSet<&str> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        words.filter(|word| word.starts_with("catenary_") || word.starts_with("process_")).collect()
    }

    /// Names of the samples that are served.
    fn served(text: &str) -> BTreeSet<&str> {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        samples.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
    }

    #[test]
    fn a_snapshot_is_told_in_the_text_format() {
        let text = text(&whole());
        for line in [
            "# TYPE catenary_chain_height gauge",
            "catenary_chain_height{chain=\"a-0123456789abcdef-1\"} 7",
            "catenary_chain_tip_time_seconds{chain=\"a-0123456789abcdef-1\"} 1.5",
            "catenary_chain_activity{chain=\"a-0123456789abcdef-1\",activity=\"idle\"} 1",
            "catenary_chain_activity{chain=\"a-0123456789abcdef-1\",activity=\"down\"} 0",
            "# TYPE catenary_chain_blocks counter",
            "catenary_chain_blocks_total{chain=\"a-0123456789abcdef-1\"} 5",
            "catenary_chain_submissions_refused_total{chain=\"a-0123456789abcdef-1\",reason=\"DISK_FULL\"} 2",
            "catenary_router_packets_total{chain=\"a-0123456789abcdef-1\",step=\"sent\"} 9",
            "catenary_router_packets_waiting 6",
            "catenary_node_accepts_submissions 1",
            "process_cpu_seconds_total 0.25",
        ] {
            assert!(text.lines().any(|served| served == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn the_guide_names_every_metric_and_alerts_name_no_other() {
        let text = text(&whole());
        let served = served(&text);
        let (_, section) = GUIDE.split_once("## Monitoring").unwrap();
        let (section, _) = section.split_once("\n## ").unwrap();
        assert_eq!(names(section), served, "docs/operator.md");
        let unknown: Vec<_> = names(ALERTS).into_iter().filter(|name| !served.contains(name)).collect();
        assert_eq!(unknown, [""; 0], "docs/alerts.yml");
        assert!(names(ALERTS).len() > 8);
    }

    #[test]
    fn a_node_is_ready_while_all_its_chains_serve_and_submissions_are_taken() {
        let mut snapshot = whole();
        assert_eq!(snapshot.obstacles(), [""; 0]);
        snapshot.chains[0].doing = Doing::Down;
        snapshot.refusal = Some(Refusal::new(RefusalReason::DiskFull, "1 MiB"));
        assert_eq!(snapshot.obstacles(), ["a-0123456789abcdef-1 is down", "DISK_FULL: 1 MiB"]);
        snapshot.chains[0].status = None;
        let text = text(&snapshot);
        assert!(!text.contains("catenary_chain_height{"), "what is not known is left out");
        assert!(text.contains("catenary_node_accepts_submissions 0"));
    }
}
