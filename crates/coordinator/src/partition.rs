//! Which partition of `__consumer_offsets` a group belongs to.

/// Kafka's choice: the hash of a Java string, made positive, modulo the number of partitions.
pub fn partition_for(group_id: &str, num_partitions: i32) -> i32 {
    let hash = group_id.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // Kafka's `abs` clears the sign bit of the smallest number, whose absolute value does not fit.
    let positive = hash.checked_abs().unwrap_or(0);
    positive.checked_rem(num_partitions).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::partition_for;

    #[test]
    fn groups_fall_where_java_puts_them() {
        // As `Math.abs(s.hashCode()) % 50` says in a JVM; the fourth hashes to the smallest int.
        for (group, partitions, expected) in [
            ("", 50, 0),
            ("test", 50, 48),
            ("a", 50, 47),
            ("polygenelubricants", 50, 0),
            ("grüppe-😀", 50, 14),
            ("console-consumer-12345", 50, 6),
            ("my.group", 50, 11),
            ("test", 0, 0),
        ] {
            assert_eq!(partition_for(group, partitions), expected, "{group:?}");
        }
    }
}
