//! How much may come out of compressed bytes.

/// Bytes that may come out of one batch unless said otherwise.
pub const DEFAULT_MAX_OUTPUT: u64 = 64 * 1024 * 1024;
/// How many times larger than its input an output may be unless said otherwise: deflate reaches 1,032.
pub const DEFAULT_MAX_RATIO: u32 = 1024;
/// Output below this is allowed at any ratio: zeros and constant test data shrink 20,000 times and are honest.
pub const FREE_OUTPUT: u64 = 8 * 1024 * 1024;
/// The largest zstd window, as a power of two, unless said otherwise: that of Kafka's zstd-jni, and of level 22.
pub const DEFAULT_ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How much may come out of compressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that may come out.
    pub max_output: u64,
    /// Bytes that may come out for each that went in, above [`FREE_OUTPUT`].
    pub max_ratio: u32,
    /// The largest zstd window. Its memory is touched only as far as output fills it.
    pub zstd_window_log_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_output: DEFAULT_MAX_OUTPUT,
            max_ratio: DEFAULT_MAX_RATIO,
            zstd_window_log_max: DEFAULT_ZSTD_WINDOW_LOG_MAX,
        }
    }
}

impl Limits {
    /// The default with another output limit.
    pub fn with_max_output(max_output: u64) -> Self {
        Self { max_output, ..Self::default() }
    }

    /// Bytes that may come out of `input` bytes.
    pub fn output_of(&self, input: usize) -> u64 {
        let by_ratio = (input as u64).saturating_mul(u64::from(self.max_ratio));
        self.max_output.min(by_ratio.max(FREE_OUTPUT))
    }
}
