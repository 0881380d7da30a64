//! Runs histories, and makes one that fails as short as it can.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use super::marks::Listener;
use super::rng::Rng;
use super::world::World;

/// Steps of one history; each is a seed, so that any may be left out.
const STEPS: usize = 150;

/// A history on which the log and the model differ.
pub struct Difference {
    pub seed: u64,
    pub message: String,
    /// The steps of the shortened history.
    pub trace: Vec<String>,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs histories from `seed` on until so many steps are done; answers how many there were.
pub fn run(seed: u64, steps: usize) -> Result<usize, Difference> {
    quiet();
    tracing::subscriber::with_default(Listener, || {
        let mut done = 0;
        let mut seed = seed;
        while done < steps {
            let history = history(seed);
            if let Some(message) = failure(seed, &history, None) {
                return Err(shorten(seed, history, message));
            }
            done += history.len();
            seed = seed.wrapping_add(1);
        }
        Ok(done)
    })
}

fn history(seed: u64) -> Vec<u64> {
    let mut rng = Rng::new(seed ^ 0x5eed);
    (0..STEPS).map(|_| rng.next()).collect()
}

/// How a history fails, if it does.
fn failure(seed: u64, history: &[u64], trace: Option<&mut Vec<String>>) -> Option<String> {
    let mut world = World::new(seed);
    world.trace = trace.is_some().then(Vec::new);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        history.iter().for_each(|step| world.step(*step));
        world.check_all();
    }));
    if let (Some(trace), Some(told)) = (trace, world.trace.take()) {
        *trace = told;
    }
    ran.err().map(|_| PANIC.take().unwrap_or_default())
}

/// Leaves out as many steps as it can, first in large pieces and then one by one.
fn shorten(seed: u64, mut history: Vec<u64>, mut message: String) -> Difference {
    let mut piece = history.len() / 2;
    while piece > 0 {
        let mut at = 0;
        while at < history.len() {
            let mut shorter = history.clone();
            shorter.drain(at..(at + piece).min(shorter.len()));
            match failure(seed, &shorter, None) {
                Some(told) => (history, message) = (shorter, told),
                None => at += piece,
            }
        }
        piece /= 2;
    }
    let mut trace = Vec::new();
    if let Some(told) = failure(seed, &history, Some(&mut trace)) {
        message = told;
    }
    Difference { seed, message, trace }
}

/// Panics of this thread are kept and not shown.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some(super::THREAD) {
                PANIC.set(Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.message)?;
        self.trace.iter().try_for_each(|step| writeln!(f, "    {step}"))
    }
}
