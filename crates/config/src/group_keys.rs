//! The names of the group configs that code asks for.

/// `consumer.assignment.interval.ms`
pub const CONSUMER_ASSIGNMENT_INTERVAL_MS: &str = "consumer.assignment.interval.ms";
/// `consumer.heartbeat.interval.ms`
pub const CONSUMER_HEARTBEAT_INTERVAL_MS: &str = "consumer.heartbeat.interval.ms";
/// `consumer.session.timeout.ms`
pub const CONSUMER_SESSION_TIMEOUT_MS: &str = "consumer.session.timeout.ms";
