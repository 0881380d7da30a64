//! What the kernel says this process used.

use anyhow::Context;
use std::fs;

/// CPU seconds, bytes handed to the disk, peak memory.
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    pub(crate) disk_bytes: u64,
    pub(crate) peak_rss_mib: f64,
}

impl Usage {
    pub(crate) fn now() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| -> anyhow::Result<f64> { Ok(fields.get(n).context("no such field")?.parse()?) };
        let status = fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let peak_kib: f64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(Self {
            cpu_s: (ticks(11)? + ticks(12)?) / 100.0,
            disk_bytes: disk_bytes()?,
            peak_rss_mib: peak_kib / 1024.0,
        })
    }
}

/// Bytes written to all disks, which counts what the kernel writes later on behalf of the process.
fn disk_bytes() -> anyhow::Result<u64> {
    let stats = fs::read_to_string("/proc/diskstats")?;
    let mut sectors = 0;
    for line in stats.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if let [_, _, name, ..] = fields.as_slice()
            && !name.starts_with("loop")
            && !name.starts_with("ram")
        {
            sectors += fields.get(9).context("no sectors")?.parse::<u64>()?;
        }
    }
    Ok(sectors * 512)
}
