//! Which limits are counted when they are met (`quire_limit_hits_total`), by their settings without `limits.`; the page of
//! limits has the same list, which a test compares.

use engine::CloseReason;
use protocol::FrameError;

/// All of them.
pub const COUNTED: &[&str] = &[
    "allow",
    "deny",
    "origins",
    "message_bytes",
    "update_items",
    "update_clients",
    "update_memory",
    "client_advance",
    "value_depth",
    "type_depth",
    "document_memory",
    "client_ids",
    "presence_entries",
    "presence_state_bytes",
    "request_head_bytes",
    "request_time",
    "unsaved_document_bytes",
    "unsaved_node_bytes",
    "mailbox",
    "outbox_bytes",
    "handshakes",
    "documents_opening",
    "connections",
    "connections_per_address",
    "connections_per_user",
    "connections_per_document",
    "messages_per_second",
    "bytes_per_second",
    "documents_per_connection",
    "pre_auth_bytes",
    "pre_auth_messages",
    "pre_auth_time",
    "documents_open",
    "memory_bytes",
    "receiving_bytes",
    "step_max",
    "message_cpu",
];

/// The limit that a document closed a client for, where the reason is only that.
pub(crate) fn of_reason(reason: CloseReason) -> Option<&'static str> {
    match reason {
        CloseReason::DocumentFull => Some("document_memory"),
        CloseReason::TooDeep => Some("type_depth"),
        CloseReason::StoreBehind => Some("unsaved_document_bytes"),
        _ => None,
    }
}

/// The limit that a message was refused for, if it was one.
pub(crate) fn of_fault(fault: &FrameError) -> Option<&'static str> {
    match fault {
        FrameError::TooDeep { .. } => Some("value_depth"),
        FrameError::OutOfRange { field, .. } if *field == "client's advance" => {
            Some("client_advance")
        }
        FrameError::TooMany { field, .. } => match *field {
            "clients" => Some("update_clients"),
            "bytes of memory" => Some("update_memory"),
            "items" | "deleted ranges" | "state vector's entries" => Some("update_items"),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use engine::{Intent, Limit};
    use protocol::Dialect;
    use protocol::preflight::Bounds;

    use super::*;

    #[test]
    fn every_limit_that_a_client_is_told_is_counted() {
        for limit in Limit::ALL {
            assert!(COUNTED.contains(&limit.as_str()), "{limit:?}");
        }
    }

    #[test]
    fn a_message_beyond_a_bound_counts_for_the_setting_of_the_bound() {
        // Client 7 types "a" into the root text "t".
        let update = Bytes::from_static(&[1, 1, 7, 0, 4, 1, 1, b't', 1, b'a', 0]);
        let limit = |bounds: Bounds| {
            let push = Intent::Push {
                payload: update.clone(),
                tag: engine::PushTag(0),
            };
            let (_, fault) = Dialect::YWebsocket.check(&push, &bounds).unwrap_err();
            of_fault(&fault)
        };
        let bounds = Bounds::default;
        let items = Bounds {
            structs_max: 0,
            ..bounds()
        };
        let clients = Bounds {
            clients_max: 0,
            ..bounds()
        };
        let memory = Bounds {
            memory_max: 1,
            ..bounds()
        };
        let advance = Bounds {
            advance_max: 0,
            ..bounds()
        };
        let found = [items, clients, memory, advance].map(limit);
        let settings = [
            "update_items",
            "update_clients",
            "update_memory",
            "client_advance",
        ];
        assert_eq!(found, settings.map(Some));
    }
}
