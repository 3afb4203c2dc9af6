//! The threads that a server runs on.

use std::future::Future;
use std::time::Duration;

use crate::run::StartError;

/// How long what still runs may take when a server has ended.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs a server on as many threads as there are processors, `most` at the most, to its end. Blocks.
pub(crate) fn run(
    name: &str,
    most: usize,
    server: impl Future<Output = Result<(), StartError>>,
) -> Result<(), StartError> {
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, most));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(|error| StartError::Other(format!("cannot start threads: {error}")))?;
    let result = runtime.block_on(server);
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}
