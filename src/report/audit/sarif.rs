//! SARIF 2.1.0 (OASIS). What stands for a file is the owner: `<namespace>/<kind>/<name>`.

use std::collections::HashMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Audit, Owner, Row};
use crate::fence::policy::ExceptionState;
use crate::report::json::Each;
use crate::report::path::uri;
use crate::report::sarif::{self, FINGERPRINT, GUESS, Run, level_name, message};
use crate::report::{level_of, mode_name};

/// Writes the audit as one SARIF log with one run, which ends with an exit code.
///
/// # Errors
/// Where the writer fails.
pub fn write(audit: &Audit, exit_code: u8, out: &mut dyn Write) -> io::Result<()> {
    let rules = sarif::rules(&audit.rules, false);
    let ids = sarif::ids(&rules);
    let mut rows: Vec<(&Owner, &Row)> = audit.rows().collect();
    // Services take so many results and no more.
    rows.sort_by_key(|(_, row)| level_of(&row.finding));
    let suppresses = rows.iter().any(|(_, row)| is_suppressed(row));
    let run = Run {
        policies: &audit.policies,
        successful: audit.errors.is_empty(),
        exit_code,
        notifications: notifications(audit),
        results: Each(rows.iter().map(|(owner, row)| {
            let mut result = result(owner, row, &ids, audit);
            if suppresses {
                sarif::tell_if_not_suppressed(&mut result);
            }
            result
        })),
        rules,
    };
    sarif::write_log(run, out)
}

/// What slipped in is nothing that anybody accepted.
fn is_suppressed(row: &Row) -> bool {
    row.known && row.slipped == 0
}

fn result(owner: &Owner, row: &Row, ids: &HashMap<String, usize>, audit: &Audit) -> Value {
    let finding = &row.finding;
    let id = match (&finding.policy, &finding.rule) {
        (Some(policy), Some(rule)) => format!("{policy}/{rule}{}", if finding.guess { GUESS } else { "" }),
        _ => String::new(),
    };
    let object = format!("{}/{}/{}", owner.namespace, owner.kind, owner.name);
    let index = ids.get(&id).copied();
    let dry_run = if row.is_enforced() { "" } else { " (dry run)" };
    let slipped = match row.slipped {
        0 => String::new(),
        1 => "; 1 pod slipped in since the earlier audit".to_owned(),
        number => format!("; {number} pods slipped in since the earlier audit"),
    };
    let mut result = json!({
        "ruleId": id,
        "kind": "fail",
        "level": level_name(level_of(finding)),
        "message": message(&format!("{}{dry_run}: {}{slipped}", finding.outcome.name(), finding.message)),
        "locations": [{
            "physicalLocation": {"artifactLocation": {"uri": uri(&object)}},
            "logicalLocations": [{"name": owner.name, "fullyQualifiedName": object, "kind": "resource"}],
        }],
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {
            "kind": finding.kind,
            "outcome": finding.outcome.name(),
            "reads": finding.reads,
            "mode": finding.mode.map(mode_name),
            "pointer": finding.pointer,
            "notes": finding.notes,
            "change": row.change(),
            "inTemplate": row.in_template,
            "pods": row.pods,
            "missed": row.missed(),
            "slipped": row.slipped,
        },
    });
    if let Some(fields) = result.as_object_mut() {
        if let Some(index) = index {
            fields.insert("ruleIndex".to_owned(), index.into());
        }
        if is_suppressed(row) {
            let accepted =
                json!([{"kind": "external", "status": "accepted", "justification": "an earlier audit has it"}]);
            fields.insert("suppressions".to_owned(), accepted);
        }
        if audit.compared.is_some() {
            let state = match (row.known, row.slipped) {
                (false, _) => "new",
                (true, 0) => "unchanged",
                (true, _) => "updated",
            };
            fields.insert("baselineState".to_owned(), state.into());
        }
    }
    result
}

/// What could not be judged, what was left out, and which exceptions end.
fn notifications(audit: &Audit) -> Vec<Value> {
    let notification = |level: &str, text: &str| json!({"level": level, "message": message(text)});
    let errors = audit.errors.iter().map(|error| notification("error", error));
    let left_out = audit.left_out.iter().map(|its| format!("left out: {}: {}", its.namespace, its.why));
    let not_judged = audit.not_judged.iter().map(|sentence| format!("not judged: {sentence}"));
    let notes = left_out.chain(not_judged).map(|text| notification("note", &text));
    let exceptions = audit.exceptions.iter().filter(|its| its.state != ExceptionState::Active).map(|its| {
        let verb = if its.state == ExceptionState::Ending { "ends" } else { "ended" };
        notification("warning", &format!("exception {}/{} {verb} on {}", its.policy, its.rule, its.expires))
    });
    errors.chain(notes).chain(exceptions).collect()
}
