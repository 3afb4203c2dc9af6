//! Log lines on standard error: time, level, message, fields.

use tracing::level_filters::LevelFilter;

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Level {
    /// Everything.
    Debug,
    /// What happens.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
}

/// Sets up logging for the whole process.
pub(crate) fn init(level: Level) {
    let filter = match level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_max_level(filter)
        .finish();
    // A second call, in a test, keeps the first one's settings.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
