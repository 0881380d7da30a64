//! DescribeAcls (29).

use super::{Context, Pending, Refusal, acls, read};
use ottla_protocol::{
    frame::RequestFrame,
    messages::{DescribeAclsRequest, DescribeAclsResponse},
};
use std::pin::Pin;

pub(super) fn start(cx: Context, request: RequestFrame) -> Result<Pin<Box<Pending>>, Refusal> {
    let request: DescribeAclsRequest = read(&cx, request)?;
    let codes =
        [request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type];
    let response = || DescribeAclsResponse {
        error_code: acls::DISABLED.code(),
        error_message: Some("No Authorizer is configured on the broker".into()),
        ..Default::default()
    };
    acls::answer(cx, [codes].into_iter(), response)
}
