//! What the thread used, and medians of it.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Seconds of one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
}

/// Runs something and tells what it cost.
pub(crate) fn cost<R>(work: impl FnOnce() -> R) -> (Cost, R) {
    let (cpu_s, started) = (thread_cpu_s(), Instant::now());
    let answer = work();
    (Cost { cpu_s: thread_cpu_s() - cpu_s, wall_s: started.elapsed().as_secs_f64() }, answer)
}

fn thread_cpu_s() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// The median.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs both in turn, a round each, and answers their costs without the first round's.
pub(crate) fn in_turn(
    rounds: usize,
    mut bare: impl FnMut() -> Cost,
    mut log: impl FnMut() -> Cost,
) -> Vec<(Cost, Cost)> {
    let mut costs: Vec<(Cost, Cost)> = (0..=rounds).map(|_| (bare(), log())).collect();
    costs.remove(0);
    costs
}

/// Medians of rounds over so many bytes and calls.
pub(crate) struct Figures {
    pub(crate) bare_mb_s: f64,
    pub(crate) log_mb_s: f64,
    pub(crate) bare_us: f64,
    pub(crate) log_us: f64,
    /// How much of the loop's rate the log reaches, by CPU time and by wall time.
    pub(crate) of_bare_cpu: f64,
    pub(crate) of_bare_wall: f64,
}

impl Figures {
    pub(crate) fn of(costs: &[(Cost, Cost)], bytes: usize, calls: usize) -> Self {
        let median = |figure: fn(&(Cost, Cost)) -> f64| median(costs.iter().map(figure));
        let (megabytes, calls) = (bytes as f64 / 1e6, calls as f64);
        Self {
            bare_mb_s: megabytes / median(|(bare, _)| bare.wall_s),
            log_mb_s: megabytes / median(|(_, log)| log.wall_s),
            bare_us: median(|(bare, _)| bare.cpu_s) / calls * 1e6,
            log_us: median(|(_, log)| log.cpu_s) / calls * 1e6,
            of_bare_cpu: median(|(bare, log)| bare.cpu_s / log.cpu_s),
            of_bare_wall: median(|(bare, log)| bare.wall_s / log.wall_s),
        }
    }

    pub(crate) const HEADING: &str = "bare MB/s | log MB/s | bare CPU us | log CPU us | of bare, CPU | of bare, wall |";
    pub(crate) const RULE: &str = "---:|---:|---:|---:|---:|---:|";
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { bare_mb_s, log_mb_s, bare_us, log_us, .. } = self;
        let (cpu, wall) = (self.of_bare_cpu * 100.0, self.of_bare_wall * 100.0);
        write!(f, "{bare_mb_s:.0} | {log_mb_s:.0} | {bare_us:.2} | {log_us:.2} | {cpu:.0} % | {wall:.0} % |")
    }
}
