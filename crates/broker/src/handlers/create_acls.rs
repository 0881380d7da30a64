//! CreateAcls (30).

use super::{Context, Pending, Refusal, acls, read};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{CreateAclsRequest, CreateAclsResponse, create_acls_response::AclCreationResult},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let CreateAclsRequest { creations, .. } = read(&cx, request)?;
    let codes = creations.iter().map(|c| [c.resource_type, c.resource_pattern_type, c.operation, c.permission_type]);
    let refused = AclCreationResult {
        error_code: acls::DISABLED.code(),
        error_message: Some(acls::NO_AUTHORIZER.into()),
        ..Default::default()
    };
    let results = || vec![refused; creations.len()];
    acls::answer(cx, codes, || CreateAclsResponse { results: results(), ..Default::default() })
}
