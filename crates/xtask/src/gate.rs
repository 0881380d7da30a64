//! The gate: steps in order of cost, each with its time, ending at the first that fails.

use crate::{commands, docs, tidy};
use anyhow::{Result, bail};
use std::time::Instant;

struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
    remedy: &'static str,
}

const STEPS: &[Step] = &[
    Step { name: "format", run: || commands::cargo(&["fmt", "--all", "--check"]), remedy: "run `cargo xtask fix`" },
    Step {
        name: "tidy",
        run: tidy::run,
        remedy: "each finding above says what it wants; `cargo xtask fix` tightens the size ratchet",
    },
    Step {
        name: "clippy",
        run: || commands::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]),
        remedy: "`cargo xtask fix` applies what clippy can apply itself; the rest is by hand",
    },
    Step { name: "documents", run: docs::check, remedy: "run `cargo xtask docs` and commit what it writes" },
    Step {
        name: "tests",
        run: || commands::cargo(&["test", "--workspace", "--locked"]),
        remedy: "run the failing test alone with `cargo test -p <crate> <name>`",
    },
];

/// Runs every step; the error says which one failed and what to do.
pub(crate) fn run() -> Result<()> {
    run_steps(STEPS)
}

fn run_steps(steps: &[Step]) -> Result<()> {
    let start = Instant::now();
    for (index, step) in steps.iter().enumerate() {
        println!("=== {}/{} {}", index + 1, steps.len(), step.name);
        let step_start = Instant::now();
        let result = (step.run)();
        let seconds = step_start.elapsed().as_secs_f64();
        if let Err(why) = result {
            bail!("=== {} FAILED after {seconds:.1} s: {why:#}\n    what to do: {}", step.name, step.remedy);
        }
        println!("=== {} ok in {seconds:.1} s", step.name);
    }
    println!("=== all {} steps ok in {:.1} s", steps.len(), start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine() -> Step {
        Step { name: "fine", run: || Ok(()), remedy: "" }
    }

    #[test]
    fn a_failure_stops_the_gate_and_names_the_remedy() {
        let failing = Step { name: "broken", run: || bail!("it broke"), remedy: "mend it" };
        let never = Step { name: "never", run: || panic!("a step after the failure ran"), remedy: "" };
        let message = run_steps(&[fine(), failing, never]).unwrap_err().to_string();
        assert!(message.contains("broken FAILED"), "{message}");
        assert!(message.contains("it broke") && message.contains("mend it"), "{message}");
    }

    #[test]
    fn steps_that_pass_open_the_gate() {
        assert!(run_steps(&[fine(), fine()]).is_ok());
    }
}
