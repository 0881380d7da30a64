//! DescribeAcls, CreateAcls and DeleteAcls of a broker without an authorizer.

use crate::differential::run::Run;
use ottla_protocol::{ApiKey, Str, any::AnyRequest, messages as m};

const TOPIC: i8 = 2;
const LITERAL: i8 = 3;
const READ: i8 = 3;
const ALLOW: i8 = 3;

pub(super) fn play(run: &mut Run) -> anyhow::Result<()> {
    // What does not exist is 0 (UNKNOWN) or 99; a pattern of 1 (ANY) is for filters only.
    for (step, resource, pattern, operation) in [
        ("", TOPIC, LITERAL, READ),
        ("-unknown-resource", 0, LITERAL, READ),
        ("-resource-99", 99, LITERAL, READ),
        ("-any-pattern", TOPIC, 1, READ),
        ("-unknown-operation", TOPIC, LITERAL, 0),
    ] {
        run.each(&format!("describe-acls{step}"), ApiKey::DescribeAcls, |_| {
            AnyRequest::DescribeAcls(m::DescribeAclsRequest {
                resource_type_filter: resource,
                pattern_type_filter: pattern,
                operation,
                permission_type: ALLOW,
                ..Default::default()
            })
        })?;
        run.each(&format!("create-acls{step}"), ApiKey::CreateAcls, |_| {
            let creation = m::create_acls_request::AclCreation {
                resource_type: resource,
                resource_name: Str::from_static("t"),
                resource_pattern_type: pattern,
                principal: Str::from_static("User:a"),
                host: Str::from_static("*"),
                operation,
                permission_type: ALLOW,
                ..Default::default()
            };
            let creations = vec![creation.clone(), creation];
            AnyRequest::CreateAcls(m::CreateAclsRequest { creations, ..Default::default() })
        })?;
        run.each(&format!("delete-acls{step}"), ApiKey::DeleteAcls, |_| {
            let filter = m::delete_acls_request::DeleteAclsFilter {
                resource_type_filter: resource,
                pattern_type_filter: pattern,
                operation,
                permission_type: ALLOW,
                ..Default::default()
            };
            AnyRequest::DeleteAcls(m::DeleteAclsRequest { filters: vec![filter.clone(), filter], ..Default::default() })
        })?;
    }
    run.each("create-acls-none", ApiKey::CreateAcls, |_| AnyRequest::CreateAcls(m::CreateAclsRequest::default()))?;
    run.each("delete-acls-none", ApiKey::DeleteAcls, |_| AnyRequest::DeleteAcls(m::DeleteAclsRequest::default()))
}
