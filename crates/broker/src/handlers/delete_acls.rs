//! DeleteAcls (31).

use super::{Context, Pending, Refusal, acls, read};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{DeleteAclsRequest, DeleteAclsResponse, delete_acls_response::DeleteAclsFilterResult},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let DeleteAclsRequest { filters, .. } = read(&cx, request)?;
    let codes = filters.iter().map(|f| [f.resource_type_filter, f.pattern_type_filter, f.operation, f.permission_type]);
    let refused = DeleteAclsFilterResult {
        error_code: acls::DISABLED.code(),
        error_message: Some(acls::NO_AUTHORIZER.into()),
        ..Default::default()
    };
    let results = || vec![refused; filters.len()];
    acls::answer(cx, codes, || DeleteAclsResponse { filter_results: results(), ..Default::default() })
}
