//! Who and what an event is about: actors, targets, related entities. In: a cleaned event. Out: the
//! fields that hold their ids.

use super::people::SERVICE_ROLE;
use super::{ModelFields, ModelTree, first, tables};

/// Which field holds an id.
#[derive(Clone, Copy, PartialEq)]
enum EntityKind {
    User,
    Host,
    Service,
    Other,
}

const USERS: &[&str] =
    &["user", "role", "assumed-role", "federated-user", "instance-profile", "mfa", "serialNumber"];

const SERVICES: &str = "stack stack-set trail configuration-recorder file-system mount-target rule \
    detector key function log-group log-stream alarm db cluster global-cluster trust-anchor \
    resolver-query-log-config secret parameter document session webacl rulegroup ipset topic model \
    loadbalancer table group policy security-group network-interface vpc subnet network-acl \
    dhcp-options";

const SERVICE_IDS: &str = "sg- sgr- eni- vpc- subnet- acl- rtb- igw- nat- vpce- tgw- pcx-";

const EC2_BESIDES: &[&str] = &[
    "responseElements.securityGroupRuleSet.items[].groupId",
    "responseElements.securityGroupRuleSet.items[].securityGroupRuleId",
    "responseElements.securityGroupRuleSet.items[].referencedGroupInfo.groupId",
    "requestParameters.groupSet.items[].groupId",
    "responseElements.groupSet.items[].groupId",
    "requestParameters.instancesSet.items[].instanceId",
    "responseElements.instancesSet.items[].subnetId",
    "responseElements.instancesSet.items[].vpcId",
    "responseElements.instancesSet.items[].instanceId",
    "responseElements.instancesSet.items[].imageId",
    "responseElements.instancesSet.items[].iamInstanceProfile.arn",
];

const LAMBDA_BESIDES: &[&str] =
    &["responseElements.vpcConfig.securityGroupIds[]", "responseElements.vpcConfig.subnetIds[]"];

pub(super) fn add(out: &mut ModelFields, event: &ModelTree) {
    actor(out, event);
    let source = event.text("eventSource").unwrap_or_default();
    let targets = targets(event, &source);
    for target in &targets {
        let field = match kind(target) {
            EntityKind::User => "user.target.entity.id",
            EntityKind::Host => "host.target.entity.id",
            EntityKind::Service => "service.target.entity.id",
            EntityKind::Other => "entity.target.id",
        };
        out.add("target.entity.id", [target.clone()]);
        out.add(field, [target.clone()]);
    }
    let service = source.strip_suffix(".amazonaws.com").unwrap_or_default();
    for path in [
        "userIdentity.accessKeyId",
        "userIdentity.arn",
        "userIdentity.userName",
        "userIdentity.sessionContext.sessionIssuer.arn",
        "userIdentity.sessionContext.sessionIssuer.userName",
        "resources[].ARN",
    ] {
        out.add("related.entity", event.texts(path));
    }
    if event.text("userIdentity.type").as_deref() == Some("IdentityCenterUser") {
        out.add("related.entity", event.text("userIdentity.onBehalfOf.identityStoreArn"));
    }
    let besides = match service {
        "ec2" => EC2_BESIDES,
        "lambda" => LAMBDA_BESIDES,
        _ => &[],
    };
    for path in tables::related(service).iter().chain(besides) {
        out.add("related.entity", event.texts(path));
    }
    out.add("related.entity", targets);
}

fn targets(event: &ModelTree, source: &str) -> Vec<String> {
    let name = event.text("eventName").unwrap_or_default();
    if (source, &*name) == ("ssm.amazonaws.com", "SendCommand") {
        let ids = event.texts("requestParameters.instanceIds[]");
        let ids =
            if ids.is_empty() { event.texts("requestParameters.targets[].values[]") } else { ids };
        if ids == ["*"] {
            return event.text("recipientAccountId").into_iter().collect();
        }
        return ids;
    }
    tables::targets(source, &name).iter().flat_map(|path| event.texts(path)).collect()
}

fn is_service_role(id: &str) -> bool {
    id.contains("/AWSServiceRoleFor") || id.contains(&format!("/{SERVICE_ROLE}"))
}

/// The type of the resource that an ARN names.
fn resource_type(arn: &str) -> &str {
    let resource = arn.split(':').nth(5).unwrap_or_default();
    resource.split('/').next().unwrap_or_default()
}

fn kind(id: &str) -> EntityKind {
    if id.starts_with("arn:") {
        let resource = resource_type(id);
        return match resource {
            _ if is_service_role(id) => EntityKind::Service,
            _ if USERS.contains(&resource) => EntityKind::User,
            "instance" => EntityKind::Host,
            _ if SERVICES.split_whitespace().any(|known| known == resource) => EntityKind::Service,
            _ if id.split(':').nth(2) == Some("s3") => EntityKind::Service,
            _ => EntityKind::Other,
        };
    }
    if id.starts_with("AKIA") && id.chars().count() == 20 {
        EntityKind::User
    } else if id.starts_with("i-") {
        EntityKind::Host
    } else if SERVICE_IDS.split(' ').any(|begin| id.starts_with(begin)) {
        EntityKind::Service
    } else {
        EntityKind::Other
    }
}

fn actor(out: &mut ModelFields, event: &ModelTree) {
    let text = |path: &str| event.text(&format!("userIdentity.{path}"));
    let kind = text("type").unwrap_or_default();
    let issuer = text("sessionContext.sessionIssuer.arn");
    let call = first(event, &["eventSource"]).zip(first(event, &["eventName"]));
    let assumes =
        call.is_some_and(|(source, name)| source == "sts.amazonaws.com" && name == "AssumeRole");
    let actor = match (assumes, &*kind) {
        (true, "AWSService") => text("invokedBy").or_else(|| text("arn")),
        (true, "AssumedRole") => issuer.clone().or_else(|| text("arn")),
        (true, _) => text("arn"),
        (false, _) => text("arn").or_else(|| text("onBehalfOf.userId")),
    };
    let Some(actor) = actor else { return };
    out.add("actor.entity.id", [actor.clone()]);
    let is_user = ["IAMUser", "Root", "AssumedRole"].contains(&&*kind)
        || ["user", "role", "assumed-role", "federated-user"].contains(&resource_type(&actor));
    if kind == "AWSService" || is_service_role(&actor) {
        out.add("service.entity.id", [actor]);
    } else if is_user {
        let issuer = issuer.filter(|_| kind == "AssumedRole");
        out.add("user.entity.id", [issuer.unwrap_or(actor)]);
    }
}
