//! Which node a document is best opened at: weighted rendezvous hashing, bounded by load.
//!
//! Every node draws a lot for every document, and the best lot wins; a node of twice the weight wins twice as often. A node
//! that comes or goes therefore moves only the documents that it wins or had won (Thaler and Ravishankar, *Using name-based
//! mappings to increase hit rates*, 1998). A node that has many more connections than its share is passed over, so that a
//! few busy documents do not crush one node (Mirrokni, Thorup and Zadimoghaddam, *Consistent hashing with bounded loads*,
//! 2016).
//!
//! It is a hint: any node serves any document. Whoever computes it from the same register comes to the same answer, because
//! nothing here is computed in floating point.

use aws_lc_rs::digest::{self, SHA256};
use engine::DocumentKey;
use storage::NodeEntry;

/// A node that a document may be opened at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// The node.
    pub node: &'a NodeEntry,
    /// Whether it has many more connections than its share, and is passed over for that.
    pub is_full: bool,
}

/// The nodes that take clients, the best for a document first. Those that are full stand behind the others; those that are
/// draining, or have no weight, are left out.
pub fn candidates<'a>(document: &DocumentKey, nodes: &'a [NodeEntry]) -> Vec<Candidate<'a>> {
    let takers = || nodes.iter().filter(|node| takes_clients(node));
    let all = Shares::of(takers());
    let mut candidates: Vec<_> = takers()
        .map(|node| Candidate {
            node,
            is_full: all.is_exceeded_by(node),
        })
        .collect();
    candidates.sort_by_cached_key(|Candidate { node, is_full }| {
        (*is_full, lot(document, node), node.name.clone())
    });
    candidates
}

fn takes_clients(node: &NodeEntry) -> bool {
    !node.is_draining && node.weight > 0
}

/// What nodes have together.
struct Shares {
    connections: u128,
    weight: u128,
}

impl Shares {
    fn of<'a>(nodes: impl Iterator<Item = &'a NodeEntry>) -> Self {
        let nothing = Self {
            connections: 0,
            weight: 0,
        };
        nodes.fold(nothing, |sum, node| Self {
            connections: sum.connections + u128::from(node.load.connections),
            weight: sum.weight + u128::from(node.weight),
        })
    }

    /// Whether one more connection would give a node more than 1.25 times its share. Never true of all.
    fn is_exceeded_by(&self, node: &NodeEntry) -> bool {
        let share = (self.connections + 1) * u128::from(node.weight);
        let most = (share * 5).div_ceil(self.weight * 4);
        u128::from(node.load.connections) >= most.max(FEW_CONNECTIONS)
    }
}

/// What a node draws for a document; the least wins. The logarithm makes it win in proportion to its weight.
fn lot(document: &DocumentKey, node: &NodeEntry) -> u128 {
    let rarity = u128::from(rarity(hash(document, &node.name)));
    (rarity << FRACTION_BITS) / u128::from(node.weight)
}

/// The first 64 bits of the SHA-256 of three names, each after its length in four bytes, the highest first: the node's, the
/// workspace's and the document's.
fn hash(document: &DocumentKey, node: &str) -> u64 {
    let mut hasher = digest::Context::new(&SHA256);
    for name in [node, document.workspace(), document.name()] {
        let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
        hasher.update(&length.to_be_bytes());
        hasher.update(name.as_bytes());
    }
    let hash = hasher.finish();
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    u64::from_be_bytes(first)
}

/// How rare it is that a hash is as large as this: −log₂(hash / 2⁶⁴), with so many binary digits behind the point.
fn rarity(hash: u64) -> u64 {
    let hash = hash.max(1);
    let zeros = hash.leading_zeros();
    let mut mantissa = hash << zeros;
    let mut log = u64::from(u64::BITS - 1 - zeros);
    for _ in 0..FRACTION_BITS {
        // From 1 to 2 with 63 digits behind the point; its square is from 1 to 4, and the next digit says whether beyond 2.
        let square = (u128::from(mantissa) * u128::from(mantissa)) >> 63;
        let digit = (square >> 64) as u64;
        log = log << 1 | digit;
        mantissa = (square >> digit) as u64;
    }
    (u64::from(u64::BITS) << FRACTION_BITS) - log
}

/// Digits behind the point.
const FRACTION_BITS: u32 = 32;
/// A node with fewer connections is never passed over: that the clients of one document are together counts for more.
const FEW_CONNECTIONS: u128 = 64;

#[cfg(test)]
mod tests {
    use engine::ReplicaId;
    use proptest::prelude::*;
    use storage::NodeLoad;

    use super::*;

    fn node(number: usize, weight: u32) -> NodeEntry {
        NodeEntry {
            name: format!("node-{number}"),
            replica: ReplicaId(number as u32 + 1),
            earlier: Vec::new(),
            address: None,
            weight,
            load: NodeLoad::default(),
            is_draining: false,
            version: "1".to_owned(),
        }
    }

    fn nodes(weights: &[u32]) -> Vec<NodeEntry> {
        let numbered = weights.iter().enumerate();
        numbered
            .map(|(number, weight)| node(number, *weight))
            .collect()
    }

    fn document(name: &str) -> DocumentKey {
        DocumentKey::new("team", name).unwrap()
    }

    fn best(name: &str, nodes: &[NodeEntry]) -> Option<String> {
        let candidates = candidates(&document(name), nodes);
        candidates.first().map(|best| best.node.name.clone())
    }

    fn order(name: &str, nodes: &[NodeEntry]) -> Vec<String> {
        let candidates = candidates(&document(name), nodes);
        candidates.iter().map(|it| it.node.name.clone()).collect()
    }

    fn weights() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::vec(1..9_u32, 1..9)
    }

    proptest! {
        #[test]
        fn every_node_comes_to_the_same_answer(
            (entries, shuffled) in weights().prop_map(|weights| nodes(&weights))
                .prop_flat_map(|nodes| (Just(nodes.clone()), Just(nodes).prop_shuffle())),
            name in "[a-z/]{1,20}",
        ) {
            prop_assert_eq!(order(&name, &entries), order(&name, &shuffled));
        }

        #[test]
        fn a_node_that_goes_moves_only_what_it_had(
            weights in weights(), gone in any::<prop::sample::Index>(), name in "[a-z/]{1,20}",
        ) {
            let all = nodes(&weights);
            let mut left = all.clone();
            let gone = left.remove(gone.index(all.len())).name;
            let before: Vec<_> = order(&name, &all).into_iter().filter(|it| *it != gone).collect();
            prop_assert_eq!(before, order(&name, &left), "the order of the others stays");
        }

        #[test]
        fn who_is_draining_is_left_out_and_the_others_stay_in_their_order(
            weights in weights(), draining in proptest::collection::vec(any::<bool>(), 9), name in "[a-z/]{1,20}",
        ) {
            let all = nodes(&weights);
            let marked: Vec<_> = all.iter().zip(&draining)
                .map(|(node, is_draining)| NodeEntry { is_draining: *is_draining, ..node.clone() })
                .collect();
            let left: Vec<_> = marked.iter().filter(|node| !node.is_draining).cloned().collect();
            prop_assert_eq!(order(&name, &marked), order(&name, &left));
        }

        #[test]
        fn no_node_gets_more_than_its_share_and_a_quarter(
            weights in weights(), documents in 1..40_usize, connections in 0..3_000_u64,
        ) {
            let mut all = nodes(&weights);
            for number in 0..connections {
                // The first document has half of all clients.
                let document = if number % 2 == 0 { 0 } else { number as usize % documents };
                let best = best(&document.to_string(), &all).unwrap();
                let node = all.iter_mut().find(|node| node.name == best).unwrap();
                node.load.connections += 1;
            }
            let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            for node in &all {
                let share = connections as f64 * f64::from(node.weight) / total as f64;
                let most = (share * 1.25).ceil().max(64.0) + 1.0;
                prop_assert!((node.load.connections as f64) <= most, "{node:?} of {connections}");
            }
        }

        #[test]
        fn somebody_always_has_room(loads in proptest::collection::vec((0..u64::MAX, 1..u32::MAX), 1..9)) {
            let entry = |(number, (connections, weight)): (usize, &(u64, u32))| NodeEntry {
                load: NodeLoad { connections: *connections, documents: 0 },
                ..node(number, *weight)
            };
            let all: Vec<_> = loads.iter().enumerate().map(entry).collect();
            prop_assert!(!candidates(&document("a"), &all)[0].is_full);
        }

        #[test]
        fn rarity_is_the_logarithm(hash in 1..u64::MAX) {
            let exact = 64.0 - (hash as f64).log2();
            let found = rarity(hash) as f64 / 2_f64.powi(32);
            prop_assert!((exact - found).abs() < 1e-6, "{exact} {found}");
        }
    }

    #[test]
    fn each_node_wins_as_its_weight_says() {
        let weights = [1, 2, 3, 4];
        let all = nodes(&weights);
        let mut won = [0_u32; 4];
        for number in 0..NAMES {
            let best = best(&format!("document {number}"), &all).unwrap();
            won[all.iter().position(|node| node.name == best).unwrap()] += 1;
        }
        for (won, weight) in won.into_iter().zip(weights) {
            let wanted = f64::from(NAMES * weight) / 10.0;
            let off = (f64::from(won) - wanted).abs() / wanted;
            assert!(off < 0.04, "weight {weight}: {won} of {wanted}");
        }
    }

    #[test]
    fn a_node_that_comes_takes_its_share_from_all() {
        let (three, four) = (nodes(&[1, 1, 1]), nodes(&[1, 1, 1, 1]));
        let mut taken = [0_u32; 3];
        for number in 0..NAMES / 10 {
            let name = format!("document {number}");
            let (before, after) = (best(&name, &three).unwrap(), best(&name, &four).unwrap());
            if before != after {
                assert_eq!(after, "node-3");
                taken[three.iter().position(|node| node.name == before).unwrap()] += 1;
            }
        }
        let share = f64::from(NAMES / 10) / 4.0 / 3.0;
        for taken in taken {
            let off = (f64::from(taken) - share).abs() / share;
            assert!(off < 0.15, "{taken} of {share}");
        }
    }

    #[test]
    fn a_few_clients_of_a_document_stay_together_and_a_crowd_does_not() {
        let mut all = nodes(&[1, 1, 1]);
        let first = best("a", &all).unwrap();
        let at = all.iter().position(|node| node.name == first).unwrap();
        all[at].load.connections = 63;
        assert_eq!(best("a", &all), Some(first.clone()));
        all[at].load.connections = 64;
        let candidates = candidates(&document("a"), &all);
        assert_ne!(candidates[0].node.name, first);
        assert!(candidates[2].is_full && candidates[2].node.name == first);
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(best("a", &[]), None);
        assert_eq!(best("a", &nodes(&[0, 0])), None);
    }

    /// What others compute has to come to the same: `printf` of the names with their lengths, to `sha256sum`.
    #[test]
    fn the_hash_is_as_it_is_told() {
        assert_eq!(hash(&document("notes"), "node-0"), HASHED);
    }

    const NAMES: u32 = 100_000;
    const HASHED: u64 = 0xf6e5ad5865918275;
}
