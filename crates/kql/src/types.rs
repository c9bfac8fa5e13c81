//! The type of a field, by name.
//!
//! In: a field name. Out: how its values compare. There is no index mapping here, so a
//! table lists the fields of ECS and of the common integrations that are not keywords. It never
//! fails: an unlisted field is a keyword, as most fields are.
//!
//! A wrong guess does little harm: a value that does not fit the type is compared as text.

/// How the values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Exact text.
    Keyword,
    /// Exact text, stored for wildcards; compares as a keyword.
    Wildcard,
    /// Exact text of a lower-case twin; what it is compared with is taken in lower case too, as
    /// Elasticsearch's normalizer does with both.
    Lowercase,
    /// Words.
    Text,
    /// An address, compared as one; takes CIDR.
    Ip,
    /// A number, compared by value.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A point in time.
    Date,
}

/// Fields stored for wildcards.
const WILDCARD: &[&str] = &[
    "error.stack_trace",
    "http.request.body.content",
    "http.response.body.content",
    "process.command_line",
    "process.io.text",
    "process.parent.command_line",
    "registry.data.strings",
    "url.full",
    "url.original",
    "url.path",
];

/// Fields that are analysed, besides `*.text`.
const TEXT: &[&str] = &["error.message", "message", "powershell.file.script_block_text"];

/// Last parts of a name that hold an address in any object.
const IP_PARTS: &[&str] =
    &["actor_ip", "caller_ip_address", "dropped_ip", "ip", "resolved_ip", "sampled_ip"];

/// Whole names that hold an address.
const IP: &[&str] = &[
    "aws.vpcflow.pkt_dstaddr",
    "aws.vpcflow.pkt_srcaddr",
    "azure.activitylogs.callerIpAddress",
    "azure.auditlogs.properties.initiated_by.user.ipAddress",
    "azure.signinlogs.properties.ip_address",
    "kubernetes.audit.sourceIPs",
    "o365.audit.ActorIpAddress",
    "o365.audit.ClientIP",
    "o365.audit.ClientIPAddress",
];

/// Last parts of a name that hold a number in any object.
const NUMBER_PARTS: &[&str] = &[
    "args_count",
    "bytes",
    "entropy",
    "exit_code",
    "lat",
    "lon",
    "packets",
    "pgid",
    "pid",
    "port",
    "ppid",
    "risk_score",
    "response_status_code",
    "status_code",
    "ttl",
    "uptime",
];

/// Ends of a name, of more than one part, that hold a number.
const NUMBER_ENDS: &[&str] = &[
    ".Ext.relative_file_creation_time",
    ".Ext.relative_file_name_modify_time",
    ".Ext.memory_region.region_size",
    ".as.number",
    ".autonomous_system_number",
    ".pe.sections.physical_size",
    ".pe.sections.virtual_size",
    ".thread.id",
    ".x509.public_key_exponent",
    ".x509.public_key_size",
];

/// Whole names that hold a number.
const NUMBER: &[&str] = &[
    "as.number",
    "aws.cloudtrail.additional_eventdata.bytesTransferredIn",
    "aws.cloudtrail.additional_eventdata.bytesTransferredOut",
    "azure.signinlogs.properties.processing_time_ms",
    "azure.signinlogs.properties.status.error_code",
    "container.cpu.usage",
    "container.memory.usage",
    "email.attachments.file.size",
    "event.duration",
    "event.risk_score_norm",
    "event.sequence",
    "event.severity",
    "file.size",
    "github.transport_protocol",
    "host.cpu.usage",
    "kubernetes.audit.requestObject.spec.containers.ports.containerPort",
    "kubernetes.audit.requestObject.spec.containers.ports.hostPort",
    "kubernetes.audit.requestObject.spec.containers.securityContext.runAsUser",
    "kubernetes.audit.responseStatus.code",
    "log.origin.file.line",
    "log.syslog.facility.code",
    "log.syslog.priority",
    "log.syslog.severity.code",
    "package.size",
    "powershell.sequence",
    "powershell.total",
    "process.io.total_bytes_captured",
    "process.io.total_bytes_skipped",
    "winlog.version",
];

/// Last parts of a name that hold a boolean in any object.
const BOOLEAN_PARTS: &[&str] = &[
    "allowPrivilegeEscalation",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "interactive",
    "is_compliant",
    "is_interactive",
    "is_managed",
    "is_proxy",
    "privileged",
    "readOnlyRootFilesystem",
    "same_as_process",
];

/// Ends of a name, of more than one part, that hold a boolean.
const BOOLEAN_ENDS: &[&str] = &[
    ".Ext.created_suspended",
    ".Ext.token.elevation",
    ".code_signature.exists",
    ".code_signature.trusted",
    ".code_signature.valid",
    ".elf.is_stripped",
    ".macho.is_stripped",
];

/// Whole names that hold a boolean.
const BOOLEAN: &[&str] = &[
    "aws.cloudtrail.console_login.additional_eventdata.mfa_used",
    "aws.cloudtrail.console_login.additional_eventdata.mobile_version",
    "aws.cloudtrail.read_only",
    "azure.signinlogs.properties.flagged_for_review",
    "faas.coldstart",
    "github.public_repo",
    "github.repository_public",
    "google_workspace.admin.new_value_boolean",
    "google_workspace.drive.billable",
    "google_workspace.drive.primary_event",
    "google_workspace.login.is_second_factor",
    "google_workspace.login.is_suspicious",
    "kubernetes.audit.requestObject.spec.automountServiceAccountToken",
    "network.tunnel.active",
    "o365.audit.ExternalAccess",
    "o365.audit.IsManagedDevice",
    "o365.audit.ModernAuth",
    "tls.established",
    "tls.resumed",
];

/// Last parts of a name that hold a date in any object.
const DATE_PARTS: &[&str] = &[
    "@timestamp",
    "accessed",
    "ctime",
    "first_seen",
    "last_seen",
    "modified_at",
    "mtime",
    "not_after",
    "not_before",
];

/// Whole names that hold a date.
const DATE: &[&str] = &[
    "aws.cloudtrail.user_identity.session_context.creation_date",
    "azure.signinlogs.properties.created_at",
    "dll.pe.creation_date",
    "email.delivery_timestamp",
    "email.origination_timestamp",
    "event.created",
    "event.end",
    "event.ingested",
    "event.start",
    "file.created",
    "file.pe.creation_date",
    "kubernetes.audit.requestReceivedTimestamp",
    "kubernetes.audit.stageTimestamp",
    "package.installed",
    "process.end",
    "process.entry_leader.start",
    "process.group_leader.start",
    "process.parent.end",
    "process.parent.start",
    "process.session_leader.start",
    "process.start",
];

/// The fields that the table lists by their whole names.
pub fn typed_fields() -> impl Iterator<Item = &'static str> {
    let tables = [WILDCARD, TEXT, IP, NUMBER, BOOLEAN, DATE];
    tables.into_iter().flatten().copied()
}

/// The type of a field.
#[must_use]
pub fn field_type(field: &str) -> FieldType {
    let last = field.rsplit('.').next().unwrap_or(field);
    let named = |names: &[&str]| names.contains(&field);
    let part = |parts: &[&str]| parts.contains(&last);
    let end = |ends: &[&str]| ends.iter().any(|end| field.ends_with(end));
    // Twins of another field go by their own kind, whatever the field is; flattened objects keep
    // all values as keywords.
    if last == "caseless" {
        FieldType::Lowercase
    } else if field.contains(".flattened.") {
        FieldType::Keyword
    } else if last == "text" || named(TEXT) {
        if named(WILDCARD) { FieldType::Wildcard } else { FieldType::Text }
    } else if named(WILDCARD) {
        FieldType::Wildcard
    } else if part(IP_PARTS) || named(IP) {
        FieldType::Ip
    } else if part(NUMBER_PARTS) || end(NUMBER_ENDS) || named(NUMBER) {
        FieldType::Number
    } else if part(BOOLEAN_PARTS) || end(BOOLEAN_ENDS) || named(BOOLEAN) {
        FieldType::Boolean
    } else if part(DATE_PARTS) || named(DATE) {
        FieldType::Date
    } else {
        FieldType::Keyword
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_name() {
        let cases = [
            ("event.action", FieldType::Keyword),
            ("aws.cloudtrail.flattened.request_parameters.port", FieldType::Keyword),
            ("user.name.caseless", FieldType::Lowercase),
            ("process.thread.name", FieldType::Keyword),
            ("process.command_line", FieldType::Wildcard),
            ("process.command_line.text", FieldType::Text),
            ("process.io.text", FieldType::Wildcard),
            ("message", FieldType::Text),
            ("event.message", FieldType::Keyword),
            ("source.ip", FieldType::Ip),
            ("related.ip", FieldType::Ip),
            ("source.nat.ip", FieldType::Ip),
            ("source.zip", FieldType::Keyword),
            ("github.actor_ip", FieldType::Ip),
            ("destination.port", FieldType::Number),
            ("source.as.number", FieldType::Number),
            ("process.parent.pid", FieldType::Number),
            ("process.parent.thread.id", FieldType::Number),
            ("user.id", FieldType::Keyword),
            ("process.code_signature.trusted", FieldType::Boolean),
            ("azure.signinlogs.properties.is_interactive", FieldType::Boolean),
            ("process.interactive", FieldType::Boolean),
            ("@timestamp", FieldType::Date),
            ("event.ingested", FieldType::Date),
            ("event.start", FieldType::Date),
            ("vpn.start", FieldType::Keyword),
        ];
        for (field, expected) in cases {
            assert_eq!(field_type(field), expected, "{field}");
        }
    }
}
