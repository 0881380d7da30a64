//! What the cluster is: image, delta, and the controller that decides changes.
//!
//! Invariants: an image is a function of the metadata log's records; the controller decides by its state, its settings
//! and the event alone; a record it cannot understand stops it, and is never passed over.
//!
//! The crate does not know logs, files, sockets, clocks, randomness, wire versions of requests, nor what any config means
//! (that is [`controller::ConfigSchema`]'s).
//!
//! # How it is used
//!
//! A log record's value is read with [`MetadataRecord::decode`] and written with [`MetadataRecord::encode`] at
//! [`controller::Hard::metadata_version`]. The controller runs in a `Shard<Controller>`: replay the log, activate the
//! shard, then let it decide [`controller::Event::Activate`] with the [`controller::Settings`] and the
//! [`bootstrap`] records, which are appended if the log was empty. From then on each request is an
//! [`controller::Event`] and each answer a [`controller::Reply`] of the same name. A new broker sends `RegisterBroker`,
//! then `BrokerHeartbeat`s; the first of them that has seen the registration unfences it, and only then can topics be made.
//!
//! A broker keeps an [`Image`] of its own: it takes each committed record in with [`Image::apply_noting`] and, unless
//! [`Image::in_transaction`], publishes a clone of it and acts on the [`Delta`], then begins a new one.
//! [`snapshot::records`] writes an image as the records of a checkpoint.

mod api_error;
pub mod bootstrap;
pub mod controller;
mod delta;
pub mod features;
pub mod image;
mod metadata_version;
mod placement;
pub mod record;
mod resource;
pub mod snapshot;
pub mod topic_name;

pub use self::api_error::ApiError;
pub use self::delta::Delta;
pub use self::image::Image;
pub use self::metadata_version::MetadataVersion;
pub use self::record::MetadataRecord;
pub use self::resource::{ConfigResource, ResourceType};
