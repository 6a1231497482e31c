//! Subdocuments: the server never opens one, and keeps yrs from looking after them, which it does not do well.
//!
//! When a transaction ends in which a subdocument was deleted together with the type that held it, yrs follows a pointer
//! to its item, which it has collected just before. And the item of each subdocument holds its parent document, which so is
//! never freed. Both are written in `docs/decisions/0002-yrs-and-yjs.md`.

use std::collections::BTreeMap;
use std::mem;

use yrs::encoding::write::Write;
use yrs::updates::decoder::Decode;
use yrs::{Doc, Transact, Update, WriteTxn};

/// Has a transaction forget which subdocuments came and went, before it ends.
pub(super) fn overlook<T: WriteTxn>(txn: &mut T) {
    drop(mem::take(txn.subdocs_mut()));
}

/// Deletes all that a document holds, which then no longer holds itself: for a document that is about to be dropped.
pub(super) fn release(doc: &Doc, clocks: &BTreeMap<u64, u32>) {
    let mut update = vec![0];
    update.write_var(clocks.len());
    for (client, clock) in clocks {
        update.write_var(*client);
        update.extend_from_slice(&[1, 0]);
        update.write_var(*clock);
    }
    if let Ok(update) = Update::decode_v1(&update) {
        let mut txn = doc.transact_mut();
        // All that can be wrong with it is that there is nothing to delete.
        let _ = txn.apply_update(update);
        overlook(&mut txn);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use yrs::{ArrayPrelim, ClientID, Map, MapPrelim, Options, ReadTxn, StateVector};

    use super::super::YjsContent;
    use super::super::structs::DOCUMENT;
    use super::*;

    /// A writer's update that sets `map.outer.inner` to a subdocument, and one that deletes `map.outer`.
    fn nested() -> [Vec<u8>; 2] {
        let doc = Doc::with_client_id(1);
        let map = doc.get_or_insert_map("map");
        let mut txn = doc.transact_mut();
        let outer = map.insert(&mut txn, "outer", MapPrelim::default());
        let options = Options::with_guid_and_client_id("one".into(), ClientID::new(9));
        outer.insert(&mut txn, "inner", Doc::with_options(options));
        overlook(&mut txn);
        let made = txn.encode_update_v1();
        drop(txn);
        let mut txn = doc.transact_mut();
        map.remove(&mut txn, "outer");
        overlook(&mut txn);
        [made, txn.encode_update_v1()]
    }

    /// Something that is freed with the content.
    fn token(content: &YjsContent) -> Arc<()> {
        let token = Arc::new(());
        let held = token.clone();
        let observed = content
            .doc
            .observe_update_v1("token", move |_, _| drop(held.clone()));
        observed.expect("there is no transaction");
        token
    }

    #[test]
    fn content_with_subdocuments_is_freed() {
        for updates in [&nested()[..1], &nested()[..]] {
            let mut content = YjsContent::new();
            let token = token(&content);
            for update in updates {
                content.integrate(update).unwrap();
            }
            assert_eq!(Arc::strong_count(&token), 2);
            drop(content);
            assert_eq!(Arc::strong_count(&token), 1, "the content is still there");
        }
    }

    #[test]
    fn a_subdocument_may_be_deleted_with_what_held_it() {
        let mut content = YjsContent::new();
        for update in nested() {
            content.integrate(&update).unwrap();
        }
        assert_eq!(content.json(Some("map")), serde_json::Value::Null);
        let mut restored = YjsContent::new();
        restored.restore(&content.state()).unwrap();
        assert_eq!(restored.have(), content.have());
    }

    #[test]
    fn subdocuments_are_told_from_bytes_that_look_like_them() {
        let are_in = |update: &[u8]| {
            let mut content = YjsContent::new();
            content.integrate(update).unwrap();
            content.has_subdocuments
        };
        assert!(are_in(&nested()[0]));
        assert!(!are_in(&nested()[1]));
        let doc = Doc::with_client_id(1);
        let array = doc.get_or_insert_array("iiii");
        yrs::Array::push_back(&array, &mut doc.transact_mut(), ArrayPrelim::from([9_i64]));
        let update = doc
            .transact()
            .encode_state_as_update_v1(&StateVector::default());
        assert!(update.contains(&DOCUMENT) && !are_in(&update));
    }
}
