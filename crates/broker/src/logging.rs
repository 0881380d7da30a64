//! The log: text or JSON on standard output, its levels changeable at run time.

use anyhow::Context as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// How lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Changes what is logged.
#[derive(Clone)]
pub(crate) struct Levels(reload::Handle<EnvFilter, Registry>);

impl Levels {
    /// Takes a filter such as `info,ottla::network=debug`.
    pub(crate) fn set(&self, filter: &str) -> anyhow::Result<()> {
        let filter = parse(filter)?;
        self.0.reload(filter).context("the log's filter cannot be changed")
    }

    /// The filter as it is.
    pub(crate) fn get(&self) -> String {
        self.0.with_current(ToString::to_string).unwrap_or_default()
    }
}

fn parse(filter: &str) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(filter)
        .with_context(|| format!("not a log filter: {filter:?}; try `info` or `info,ottla::network=debug`"))
}

/// Starts logging; panics of any task are logged too.
pub(crate) fn start(format: Format, filter: &str) -> anyhow::Result<Levels> {
    let (filter, handle) = reload::Layer::new(parse(filter)?);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = fmt::layer().with_target(false);
    match format {
        Format::Text => {
            registry.with(layer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()))).try_init()?
        }
        Format::Json => registry.with(layer.json()).try_init()?,
    }
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        tracing::error!("this is a bug in Ottla, please report it: {panic}\n{backtrace}");
    }));
    Ok(Levels(handle))
}
