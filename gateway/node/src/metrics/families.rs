//! Every metric: its name, what it says, and where it comes from.
//!
//! Names follow the conventions of Prometheus: base units, `_total` for what only grows. They are part of what the product
//! promises: within a major version metrics are only added.

use super::snapshot::{ChainSnapshot, Doing, Snapshot};
use catenary_replica::RefusalReason;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use std::{fmt, time::Duration};

/// What a sample says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Whole(u64),
    Seconds(Duration),
}

/// What tells the samples of a family apart.
type Labels = Vec<(&'static str, String)>;

/// A metric with all its samples.
#[derive(Clone, Debug)]
pub struct Family {
    /// Without the `_total` of counters, which the format adds.
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<(Labels, Value)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

/// All metrics of one moment.
#[derive(Debug)]
pub struct Families(pub Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { name, help, kind, samples } in &self.0 {
            let mut family = encoder.encode_descriptor(name, help, None, kind.metric_type())?;
            if let [(labels, value)] = &samples[..]
                && labels.is_empty()
            {
                kind.encode(*value, family)?;
                continue;
            }
            for (labels, value) in samples {
                kind.encode(*value, family.encode_family(&labels.as_slice())?)?;
            }
        }
        Ok(())
    }
}

impl Kind {
    fn metric_type(self) -> MetricType {
        match self {
            Self::Counter => MetricType::Counter,
            Self::Gauge => MetricType::Gauge,
        }
    }

    fn encode(self, value: Value, sample: MetricEncoder<'_>) -> fmt::Result {
        match (self, value) {
            (Self::Counter, Value::Whole(value)) => ConstCounter::new(value).encode(sample),
            (Self::Counter, Value::Seconds(time)) => ConstCounter::new(time.as_secs_f64()).encode(sample),
            (Self::Gauge, Value::Whole(value)) => ConstGauge::new(value).encode(sample),
            (Self::Gauge, Value::Seconds(time)) => ConstGauge::new(time.as_secs_f64()).encode(sample),
        }
    }
}

/// All metrics of a snapshot. Families without a sample are left out.
pub fn families(snapshot: &Snapshot) -> Vec<Family> {
    let mut all = chain_state(snapshot);
    all.extend(chain_counters(snapshot));
    all.extend(node(snapshot));
    all.extend(router(snapshot));
    all.extend(process(snapshot));
    all.retain(|family| !family.samples.is_empty());
    all
}

/// A family with one sample, if there is one.
fn one(name: &'static str, help: &'static str, kind: Kind, value: Option<Value>) -> Family {
    Family { name, help, kind, samples: value.map(|value| (Labels::new(), value)).into_iter().collect() }
}

fn of_chain(chain: &ChainSnapshot) -> (&'static str, String) {
    ("chain", chain.chain.clone())
}

fn chain_state(snapshot: &Snapshot) -> Vec<Family> {
    type Read = fn(&ChainSnapshot) -> Option<Value>;
    let gauges: [(&str, &str, Read); 4] = [
        ("catenary_chain_height", "Height of the newest final block", |chain| {
            chain.status.as_ref().map(|status| Value::Whole(status.height.0))
        }),
        ("catenary_chain_tip_time_seconds", "Time in the header of the newest final block", |chain| {
            let time = |nanoseconds| Value::Seconds(Duration::from_nanos(nanoseconds));
            chain.status.as_ref().map(|status| time(status.time.0))
        }),
        ("catenary_chain_validators", "Members of the group that signs the next block", |chain| {
            chain.status.as_ref().map(|status| Value::Whole(status.validators as u64))
        }),
        ("catenary_chain_pool_transactions", "Transactions that wait for a block on this node", |chain| {
            chain.status.as_ref().map(|status| Value::Whole(status.pool as u64))
        }),
    ];
    let gauge = |(name, help, read): (&'static str, &'static str, Read)| {
        let samples = snapshot.chains.iter().filter_map(|chain| Some((vec![of_chain(chain)], read(chain)?)));
        Family { name, help, kind: Kind::Gauge, samples: samples.collect() }
    };
    let mut families: Vec<_> = gauges.into_iter().map(gauge).collect();
    let doing = snapshot.chains.iter().flat_map(|chain| {
        Doing::ALL.map(|doing| {
            let labels = vec![of_chain(chain), ("activity", doing.name().to_owned())];
            (labels, Value::Whole(u64::from(chain.doing == doing)))
        })
    });
    families.push(Family {
        name: "catenary_chain_activity",
        help: "1 for what the chain is doing on this node, 0 for everything else",
        kind: Kind::Gauge,
        samples: doing.collect(),
    });
    families
}

fn chain_counters(snapshot: &Snapshot) -> Vec<Family> {
    type Read = fn(&ChainSnapshot) -> u64;
    let counters: [(&str, &str, Read); 9] = [
        ("catenary_chain_blocks", "Blocks that became final, fetched ones among them", |c| c.stats.blocks),
        ("catenary_chain_transactions", "Transactions in them", |c| c.stats.transactions),
        ("catenary_chain_transactions_failed", "Of those, the ones that failed", |c| c.stats.failed),
        ("catenary_chain_rounds_above_zero", "Rounds above the first that blocks took", |c| c.stats.rounds),
        ("catenary_chain_submissions_accepted", "Submitted transactions that were taken", |c| {
            c.stats.accepted
        }),
        ("catenary_chain_submissions_known", "Submitted transactions that were known", |c| c.stats.known),
        ("catenary_chain_sync_blocks_fetched", "Blocks that peers sent to this node", |c| c.stats.fetched),
        ("catenary_chain_sync_blocks_served", "Blocks that this node sent to peers", |c| c.stats.served),
        ("catenary_chain_proposals_rejected", "Proposed blocks that were invalid", |c| c.stats.rejected),
    ];
    let counter = |(name, help, read): (&'static str, &'static str, Read)| {
        let samples = snapshot.chains.iter().map(|chain| (vec![of_chain(chain)], Value::Whole(read(chain))));
        Family { name, help, kind: Kind::Counter, samples: samples.collect() }
    };
    let mut families: Vec<_> = counters.into_iter().map(counter).collect();
    let refused = snapshot.chains.iter().flat_map(|chain| {
        RefusalReason::ALL.into_iter().zip(chain.stats.refused).map(|(reason, count)| {
            (vec![of_chain(chain), ("reason", reason.name().to_owned())], Value::Whole(count))
        })
    });
    families.push(Family {
        name: "catenary_chain_submissions_refused",
        help: "Submitted transactions that were refused, by published reason",
        kind: Kind::Counter,
        samples: refused.collect(),
    });
    families
}

fn node(snapshot: &Snapshot) -> Vec<Family> {
    let stats = &snapshot.node;
    let count = |name, help, value| one(name, help, Kind::Counter, Some(Value::Whole(value)));
    let gauge = |name, help, value: Option<u64>| one(name, help, Kind::Gauge, value.map(Value::Whole));
    let link = |(node, is_up): (&catenary_crypto::PublicKey, &bool)| {
        (vec![("peer", node.to_string())], Value::Whole(u64::from(*is_up)))
    };
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        Family {
            name: "catenary_build_info",
            help: "1; the version is a label",
            kind: Kind::Gauge,
            samples: vec![(version, Value::Whole(1))],
        },
        count("catenary_node_fsyncs", "Flushes of journal, guard and block logs", stats.fsyncs),
        count("catenary_node_journal_bytes", "Bytes written to the journal", stats.journal_bytes),
        count("catenary_node_block_log_bytes", "Bytes written to block logs", stats.block_log_bytes),
        count("catenary_node_checkpoints", "Checkpoints written to the index", stats.checkpoints),
        count("catenary_node_messages_sent", "Messages sent to other nodes", stats.messages_sent),
        count(
            "catenary_node_messages_dropped",
            "Messages dropped because a queue was full",
            stats.messages_dropped,
        ),
        gauge(
            "catenary_node_accepts_submissions",
            "1 while the node takes submissions, 0 while it refuses them for want of disk space",
            Some(u64::from(snapshot.refusal.is_none())),
        ),
        gauge(
            "catenary_node_disk_free_bytes",
            "Free space on the disk of the data folder",
            snapshot.space.map(|space| space.free),
        ),
        gauge("catenary_node_disk_size_bytes", "Size of that disk", snapshot.space.map(|space| space.size)),
        Family {
            name: "catenary_link_up",
            help: "1 while there is a link to the node with this key; known are those of the configuration and whoever connected",
            kind: Kind::Gauge,
            samples: snapshot.links.iter().map(link).collect(),
        },
    ]
}

fn router(snapshot: &Snapshot) -> Vec<Family> {
    let Some((chains, router)) = &snapshot.router else { return Vec::new() };
    let packets = chains.iter().zip(&router.packets).flat_map(|(chain, packets)| {
        let steps = [
            ("sent", packets.sent),
            ("received", packets.received),
            ("acknowledged", packets.acknowledged),
            ("timed_out", packets.timed_out),
        ];
        steps.map(|(step, count)| {
            (vec![("chain", chain.clone()), ("step", step.to_owned())], Value::Whole(count))
        })
    });
    vec![
        Family {
            name: "catenary_router_packets",
            help: "Packets in final blocks that the router has read since it took up a lane last, whoever carried them",
            kind: Kind::Counter,
            samples: packets.collect(),
        },
        one(
            "catenary_router_packets_waiting",
            "Packets that are neither acknowledged nor timed out",
            Kind::Gauge,
            Some(Value::Whole(router.waiting as u64)),
        ),
    ]
}

/// By the names that every exporter uses.
fn process(snapshot: &Snapshot) -> Vec<Family> {
    let process = &snapshot.process;
    let gauge = |name, help, value: Option<u64>| one(name, help, Kind::Gauge, value.map(Value::Whole));
    vec![
        gauge("process_resident_memory_bytes", "Resident memory", process.resident_bytes),
        gauge("process_open_fds", "Open descriptors", process.descriptors),
        gauge("process_max_fds", "Descriptors that may be open", process.descriptors_max),
        one(
            "process_cpu_seconds",
            "Processor time, user and system",
            Kind::Counter,
            process.processor_time.map(Value::Seconds),
        ),
    ]
}
