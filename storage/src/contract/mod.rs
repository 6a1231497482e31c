//! The contract of [`Store`] as code: one check for each promise, run by every implementation alike.
//!
//! Each check takes an empty store. [`store_contract!`](crate::store_contract) turns them into tests, given an expression
//! that opens one. What only some stores can promise, such as outliving the process, is tested beside those. The promises of
//! [`Bus`](crate::Bus) are checked likewise by [`bus_contract!`](crate::bus_contract).

mod bus;
pub use bus::*;

mod changes;
pub use changes::*;

mod documents;
pub use documents::*;

mod duties;
pub use duties::*;

mod gists;
pub use gists::*;

mod given;
pub use given::*;

mod history;
pub use history::*;

mod leases;
pub use leases::*;

mod news;
pub use news::*;

mod operations;
pub use operations::*;

mod quarantine;
pub use quarantine::*;

mod revocations;
pub use revocations::*;

mod tickets;
pub use tickets::*;

mod together;
pub use together::*;

use bytes::Bytes;
use engine::{
    Change, ChangeKind, ConnectionId, DocumentKey, Dot, Hlc, Kind, ReplicaId, Snapshot,
    StoredChange, VectorClock,
};

use crate::store::Store;

/// Makes a test of each check. `$open` is an expression, evaluated in an async function, whose value derefs to a store
/// and keeps it alive.
#[macro_export]
macro_rules! store_contract {
    ($open:expr) => {
        $crate::store_contract! { $open;
            replica_ids_are_never_handed_out_twice
            a_store_is_called_the_same_whenever_it_is_asked
            what_was_appended_is_loaded
            every_field_of_a_change_comes_back
            repeating_a_change_does_nothing
            a_dot_names_one_change
            lanes_have_no_holes
            an_append_is_stored_whole_or_not_at_all
            a_refusal_leaves_its_neighbours_alone
            many_documents_are_appended_at_once
            order_extends_the_order_of_appends
            the_timeline_pages_forward_without_gaps
            the_timeline_pages_backward_without_gaps
            a_change_is_found_by_dot_index_and_time
            every_kind_of_reading_sees_a_change_at_once
            a_snapshot_stands_for_what_it_covers
            a_snapshot_that_is_given_is_taken_if_it_is_the_right_one
            a_snapshot_that_is_given_is_passed_over_if_the_store_knows_better
            a_gist_is_good_as_long_as_nothing_else_is_stored
            a_gist_is_kept_only_of_what_is_stored
            a_gist_says_nothing_of_what_is_deleted_or_quarantined
            looking_back_takes_the_newest_snapshot_within
            old_snapshots_go_and_the_newest_two_stay
            a_snapshot_covers_only_what_is_stored
            a_lane_is_read_in_part
            a_deleted_document_stays_deleted
            a_kind_is_fixed
            creating_is_for_new_documents
            documents_are_listed_by_prefix_and_cursor
            workspaces_are_counted
            names_never_run_together
            awkward_names_are_just_names
            large_and_empty_payloads_come_back
            an_unknown_document_is_empty
            a_quarantined_payload_is_kept_and_told_at_loading
            quarantining_again_changes_nothing
            the_quarantine_is_listed_newest_first_of_one_document_or_all
            what_the_quarantine_keeps_is_bounded
            a_quarantined_snapshot_gives_way_to_the_one_before
            the_quarantine_outlives_its_document
            what_is_forgotten_is_let_in_again
            a_document_is_created_with_content_once
            news_is_kept_only_where_it_is_wanted
            news_of_a_document_is_one_entry
            what_was_told_is_news_no_more
            news_that_was_put_off_waits
            revocations_are_listed_as_they_were_made
            revoking_again_takes_nothing_back
            a_revocation_ends_with_the_last_that_it_is_about
            what_has_ended_is_forgotten_with_the_next_revocation
            a_lifted_revocation_is_gone
            a_replica_id_is_held_and_listed
            a_lease_ends_unless_it_is_renewed
            nobody_holds_the_id_of_another
            an_id_that_was_forgotten_is_taken_in_again
            heads_are_given_for_many_documents
            how_documents_stand_is_told
            a_ticket_is_good_once
            a_ticket_ends
            tickets_are_bounded_for_each_user_and_for_all
            a_ticket_is_kept_as_it_came
            a_duty_is_held_by_one_until_it_ends
            a_duty_is_taken_by_one_of_many
            operations_are_read_by_their_versions
            an_operation_has_a_place_of_its_own
            an_operation_is_stored_once_under_its_name
            an_operation_is_found_by_its_name
            a_name_is_its_authors
            repeating_operations_does_nothing
            operations_are_appended_whole_or_not_at_all
            of_two_writers_one_is_next
            operations_of_two_documents_are_apart
            a_creation_brings_its_operations
            an_operation_that_can_not_be_read_is_refused
            operations_of_a_deleted_document_stay
            an_ordered_document_opens_from_its_snapshot
            several_documents_are_appended_to_at_once
            what_one_document_refuses_refuses_all
            repeating_what_was_appended_together_does_nothing
            what_belongs_together_is_there_or_is_not
            a_check_succeeds_and_a_closed_store_refuses
        }
    };
    ($open:expr; $($check:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                let store = $open;
                $crate::contract::$check(&*store).await;
            }
        )+
    };
}

/// A document's name in workspace `w`.
pub fn document(name: &str) -> DocumentKey {
    DocumentKey::new("w", name).expect("a test's name is a good one")
}

/// A small change of a lane, unlike every other.
pub fn change(document: &DocumentKey, replica: ReplicaId, counter: u64) -> Change {
    Change {
        document: document.clone(),
        dot: Dot::new(replica, counter),
        context: [Dot::new(replica, counter - 1)].into_iter().collect(),
        hlc: Hlc::from_wall_ms(1_000 * counter),
        author: None,
        connection: ConnectionId(7),
        kind: ChangeKind::YjsUpdate,
        payload: Bytes::from(format!("{document} {replica}.{counter}")),
    }
}

/// Changes `from..=to` of a lane.
pub fn changes(document: &DocumentKey, replica: ReplicaId, from: u64, to: u64) -> Vec<Change> {
    (from..=to)
        .map(|counter| change(document, replica, counter))
        .collect()
}

/// A snapshot of a Yjs document; the store does not look into its state.
pub fn snapshot(document: &DocumentKey, covered: &[Dot], state: &'static str) -> Snapshot {
    Snapshot {
        document: document.clone(),
        kind: Kind::Yjs,
        clock: covered.iter().copied().collect(),
        state: Bytes::from_static(state.as_bytes()),
    }
}

fn interleave(one: Vec<Change>, two: Vec<Change>) -> Vec<Change> {
    let (mut one, mut all) = (one.into_iter(), Vec::new());
    for change in two {
        all.extend(one.next());
        all.push(change);
    }
    all.extend(one);
    all
}

async fn two_replicas(store: &dyn Store) -> (ReplicaId, ReplicaId) {
    let one = store.new_replica().await.unwrap();
    (one, store.new_replica().await.unwrap())
}

async fn append(store: &dyn Store, document: &DocumentKey, changes: Vec<Change>) {
    let appended = store.append(document.clone(), Kind::Yjs, changes).await;
    assert_eq!(appended, Ok(()), "{document}");
}

fn plain(changes: &[StoredChange]) -> Vec<Change> {
    changes.iter().map(|it| it.change.clone()).collect()
}

fn clock(heads: &[(ReplicaId, u64)]) -> VectorClock {
    let head = |&(replica, counter)| Dot::new(replica, counter);
    heads.iter().map(head).collect()
}
