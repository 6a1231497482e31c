//! What content of every kind promises: whatever comes in whatever order, the same set of payloads gives the same content.
//!
//! Each kind brings made-up histories: payloads in the order in which they were made, and the same in an order of their own,
//! some of them twice.

/// Tests what content of a kind promises, with as many histories of that kind as a configuration says.
macro_rules! contract {
    ($kind:expr, $config:expr, $shuffled:expr) => {
        fn content() -> Content {
            Content::new($kind).expect("the kind is served")
        }

        fn content_of(payloads: &[Bytes]) -> Content {
            let mut content = content();
            for payload in payloads {
                let taken = content.integrate(payload);
                taken.expect("authors make good payloads");
            }
            content
        }

        fn have(content: &Content) -> Bytes {
            content.have(std::iter::empty())
        }

        fn restored(state: &Bytes) -> Content {
            let mut content = content();
            content.restore(state).expect("a state restores");
            content
        }

        proptest! {
            #![proptest_config($config)]

            #[test]
            fn any_order_with_repetitions_gives_the_same_content((made, came) in $shuffled) {
                let (one, other) = (content_of(&made), content_of(&came));
                prop_assert_eq!(one.json(None).unwrap(), other.json(None).unwrap());
                prop_assert_eq!(have(&one).len(), have(&other).len());
                prop_assert!(one.waiting().is_empty() && other.waiting().is_empty());
                let (mut one, mut other) = (one, other);
                prop_assert!(!one.integrate(&other.update().unwrap()).unwrap().news);
                prop_assert!(!other.integrate(&one.update().unwrap()).unwrap().news);
            }

            /// A snapshot proves itself by this at every point of a document's life, with what waits.
            #[test]
            fn a_restored_state_holds_what_it_was_taken_from((_, came) in $shuffled) {
                let mut content = content();
                for payload in &came {
                    content.integrate(payload).unwrap();
                    let restored = restored(&content.state().unwrap());
                    prop_assert!(restored.matches(&content.state().unwrap()).unwrap() && content.matches(&restored.state().unwrap()).unwrap());
                    prop_assert_eq!(restored.json(None).unwrap(), content.json(None).unwrap());
                    prop_assert_eq!(have(&restored), have(&content));
                    prop_assert_eq!(restored.waiting(), content.waiting());
                }
            }

            #[test]
            fn restored_content_goes_on_as_the_original_does((_, came) in $shuffled, at in any::<Index>()) {
                let (before, after) = came.split_at(at.index(came.len() + 1));
                let mut live = content_of(before);
                let mut again = restored(&live.state().unwrap());
                for payload in after {
                    let (one, other) = (live.integrate(payload).unwrap(), again.integrate(payload).unwrap());
                    prop_assert_eq!((one.news, one.missing), (other.news, other.missing));
                }
                prop_assert_eq!(live.json(None).unwrap(), again.json(None).unwrap());
                prop_assert!(live.matches(&again.state().unwrap()).unwrap());
                let everything = again.update().unwrap();
                prop_assert!(!live.integrate(&everything).unwrap().news);
                prop_assert_eq!(have(&content_of(&[everything])), have(&live));
            }

            #[test]
            fn a_merge_does_what_its_parts_do((_, came) in $shuffled, cuts in (any::<Index>(), any::<Index>())) {
                let (a, b) = (cuts.0.index(came.len() + 1), cuts.1.index(came.len() + 1));
                let (from, to) = (a.min(b), a.max(b));
                let mut one = content_of(&came[..from]);
                let mut other = content_of(&came[..from]);
                for payload in one.merge(&came[from..to]) {
                    one.integrate(&payload).unwrap();
                }
                for payload in &came[from..to] {
                    other.integrate(payload).unwrap();
                }
                for payload in &came[to..] {
                    one.integrate(payload).unwrap();
                    other.integrate(payload).unwrap();
                }
                prop_assert_eq!(one.json(None).unwrap(), other.json(None).unwrap());
                prop_assert!(one.waiting().is_empty());
                prop_assert!(!other.integrate(&one.update().unwrap()).unwrap().news);
                prop_assert!(!one.integrate(&other.update().unwrap()).unwrap().news);
            }

            /// A difference brings a peer that has anything up to date.
            #[test]
            fn a_difference_is_all_that_is_missing((made, came) in $shuffled, at in any::<Index>()) {
                let whole = content_of(&made);
                let mut part = content_of(&came[..at.index(came.len() + 1)]);
                let difference = whole.missing_from(&have(&part)).unwrap();
                part.integrate(&difference).unwrap();
                prop_assert_eq!(part.json(None).unwrap(), whole.json(None).unwrap());
                prop_assert!(!part.integrate(&whole.update().unwrap()).unwrap().news);
            }

            /// What is not stored is not said to be had, so a peer that goes by what is said sends it again.
            #[test]
            fn what_is_unsaved_is_not_claimed((made, came) in $shuffled, unsaved in vec(any::<bool>(), 64)) {
                let mut content = content();
                let mut begins = Vec::new();
                let mut stored = Vec::new();
                for (payload, unsaved) in came.iter().zip(unsaved.iter().cycle()) {
                    let waited = !content.waiting().is_empty();
                    let integrated = content.integrate(payload).unwrap();
                    // What is stored may bring what something had waited for that is not.
                    if *unsaved || waited {
                        begins.push(integrated.begins);
                    }
                    if !unsaved {
                        stored.push(payload.clone());
                    }
                }
                let claimed = content.have(begins.iter());
                let rest = content_of(&made).missing_from(&claimed).unwrap();
                let mut log = content_of(&stored);
                log.integrate(&rest).unwrap();
                prop_assert!(log.waiting().is_empty(), "what is stored and what is sent again is all there is");
                prop_assert_eq!(log.json(None).unwrap(), content.json(None).unwrap());
            }

            #[test]
            fn damaged_payloads_never_panic((made, _) in $shuffled, flips in vec((any::<Index>(), any::<u8>()), 1..4)) {
                let mut content = content();
                for payload in made.iter().filter(|payload| !payload.is_empty()) {
                    let mut bytes = payload.to_vec();
                    for (at, value) in &flips {
                        let at = at.index(bytes.len());
                        bytes[at] = *value;
                    }
                    // Whether it is refused is the damage's business; that it does not panic is ours.
                    let taken = content.integrate(&bytes);
                    prop_assert!(taken.is_ok() || !taken.unwrap_err().to_string().is_empty());
                }
            }
        }
    };
}

pub(crate) use contract;
