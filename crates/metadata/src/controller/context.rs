//! What every decision reads, and how it ends.

use super::{Controller, Hard, MAX_RECORDS_PER_USER_OP, Settings};
use crate::image::{Cluster, Features, Topics};
use crate::{ApiError, Image, MetadataRecord};
use ottla_protocol::ErrorCode;
use ottla_state_machine::Outcome;

/// The state and the settings.
pub(super) struct Context<'a> {
    pub(super) hard: &'a Hard,
    pub(super) settings: &'a Settings,
}

/// Records to append together, and what to say once they are committed.
pub(super) struct Decision<T> {
    pub(super) records: Vec<MetadataRecord>,
    pub(super) reply: T,
}

impl Context<'_> {
    pub(super) fn image(&self) -> &Image {
        &self.hard.image
    }

    pub(super) fn topics(&self) -> &Topics {
        self.image().topics()
    }

    pub(super) fn cluster(&self) -> &Cluster {
        self.image().cluster()
    }

    pub(super) fn features(&self) -> &Features {
        self.image().features()
    }

    /// Hands the records on and says what to reply.
    pub(super) fn commit<T>(
        &self,
        out: &mut Outcome<Controller>,
        decision: Result<Decision<T>, ApiError>,
    ) -> Result<T, ApiError> {
        let Decision { records, reply } = decision?;
        if records.len() > MAX_RECORDS_PER_USER_OP {
            return Err(excessively_large());
        }
        for record in records {
            out.record(record);
        }
        Ok(reply)
    }
}

/// The error of a request that would write more than one decision may.
pub(super) fn excessively_large() -> ApiError {
    ApiError::new(ErrorCode::PolicyViolation, "Unable to perform excessively large batch operation.")
}
