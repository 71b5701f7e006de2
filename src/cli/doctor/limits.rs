//! Limits that contradict each other, or that the system does not allow.
//!
//! Must not know: the network.

use super::Report;
use crate::app::{App, Limits};

/// Descriptors that a server needs besides those of its connections.
const SPARE: u64 = 64;
/// With fewer, most servers run into it some day.
const FEW: u64 = 4096;

/// Sizes of which one makes another meaningless.
pub(super) fn sizes(app: &App, report: &mut Report) {
    let Limits { max_request_bytes, max_event_data_bytes, max_message_bytes, .. } = app.limits;
    let Limits { max_presence_members, max_user_info_bytes, outbox_bytes, .. } = app.limits;
    let (place, defaults) = (format!("app {}", app.id), Limits::default());
    let is_raised = max_event_data_bytes > defaults.max_event_data_bytes;
    if is_raised && max_event_data_bytes > max_request_bytes {
        let what = format!(
            "an event may have {max_event_data_bytes} bytes (max_event_data_bytes), but a request only {max_request_bytes} \
             (max_request_bytes, REVERB_MAX_REQUEST_SIZE)"
        );
        let fix = format!("raise max_request_bytes to {} or more", 2 * max_event_data_bytes);
        report.wrong("sizes", what, &place, fix);
    }
    if is_raised && max_event_data_bytes > max_message_bytes {
        let what = format!(
            "back ends may send events of {max_event_data_bytes} bytes, and clients of {max_message_bytes} at most \
             (max_message_bytes, REVERB_APP_MAX_MESSAGE_SIZE)"
        );
        report.note("sizes", what, &place, "raise max_message_bytes if client events are to be as large");
    }
    if max_user_info_bytes > max_message_bytes {
        let what = format!(
            "a member's user_info may have {max_user_info_bytes} bytes (max_user_info_bytes), but the message that \
             brings it only {max_message_bytes} (max_message_bytes, REVERB_APP_MAX_MESSAGE_SIZE)"
        );
        report.wrong("sizes", what, &place, "raise max_message_bytes above it, or lower max_user_info_bytes");
    }
    if max_presence_members.saturating_mul(max_user_info_bytes) > outbox_bytes {
        let what = format!(
            "{max_presence_members} members with {max_user_info_bytes} bytes of user_info each make a roster that is \
             larger than what may wait for a connection ({outbox_bytes} bytes, outbox_bytes): who joins is cut off"
        );
        report.wrong("sizes", what, &place, "raise outbox_bytes, or lower max_presence_members or max_user_info_bytes");
    }
}

/// Open files: each connection is one.
pub(super) fn files(apps: &[App], report: &mut Report) {
    let Ok(hard) = rlimit::Resource::NOFILE.get_hard() else { return };
    let connections: u64 = apps.iter().map(|app| app.limits.max_connections as u64).sum();
    let fix =
        "raise it: LimitNOFILE in systemd, minfds in supervisord, --ulimit nofile in Docker, ulimit -Hn in a shell";
    if connections + SPARE > hard && connections > 0 {
        let what = format!(
            "max_connections allows {connections} connections, but a process started here may open {hard} files"
        );
        report.wrong("files", what, "limit of open files", fix);
    } else if hard < FEW {
        let what = format!("a process started here may open {hard} files, and each connection is one");
        report.note("files", what, "limit of open files", fix);
    } else {
        report.ok("files", format!("a process started here may open {hard} files"));
    }
}
