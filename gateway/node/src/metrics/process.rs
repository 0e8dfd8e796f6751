//! What the process costs: memory, descriptors, processor time. What a system does not tell is left out.

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use std::{fs, time::Duration};

/// What the process costs now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Memory that is in the machine's.
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// How many may be open.
    pub descriptors_max: Option<u64>,
    /// Processor time since the process began.
    pub processor_time: Option<Duration>,
}

impl Process {
    /// Asks the system.
    pub fn now() -> Self {
        Self {
            resident_bytes: fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text)),
            // The one that reads the folder is not counted.
            descriptors: fs::read_dir("/proc/self/fd").ok().map(|open| open.count().saturating_sub(1) as u64),
            descriptors_max: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| soft),
            processor_time: getrusage(UsageWho::RUSAGE_SELF).ok().map(|usage| {
                [usage.user_time(), usage.system_time()]
                    .map(|time| {
                        let [seconds, micros] =
                            [time.tv_sec(), time.tv_usec()].map(|part| part.max(0).unsigned_abs());
                        Duration::from_secs(seconds) + Duration::from_micros(micros)
                    })
                    .into_iter()
                    .sum()
            }),
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_on_linux_tells_everything_of_itself() {
        let process = Process::now();
        assert!(process.resident_bytes > Some(1 << 20), "{process:?}");
        assert!(
            process.descriptors >= Some(3) && process.descriptors <= process.descriptors_max,
            "{process:?}"
        );
        assert!(process.processor_time.is_some());
        assert_eq!(resident("VmPeak: 1 kB\nVmRSS:\t  12 kB\n"), Some(12 << 10));
    }
}
