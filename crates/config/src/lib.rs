//! The one table of Kafka's config names, types, defaults, validators, scope and docs.
