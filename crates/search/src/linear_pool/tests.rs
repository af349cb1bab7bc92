use super::*;
use proptest::prelude::*;

/// The same pool, spelled out: all offers that fit, sorted, with a flag each.
#[derive(Default)]
struct Oracle {
    entries: Vec<(u32, u32, bool)>,
    capacity: usize,
}

impl Oracle {
    fn insert(&mut self, key: u32, id: u32) {
        self.entries.push((key, id, false));
        self.entries.sort();
        self.entries.truncate(self.capacity);
    }

    fn pop(&mut self) -> Option<u32> {
        let entry = self.entries.iter_mut().find(|entry| !entry.2)?;
        entry.2 = true;
        Some(entry.1)
    }
}

proptest! {
    #[test]
    fn is_a_sorted_bounded_list(
        capacity in 0usize..40,
        // A key (few, so that ties occur) to offer, or a pop.
        steps in proptest::collection::vec(proptest::option::weighted(0.8, 0u32..30), 0..300),
    ) {
        let (mut pool, mut oracle) = (LinearPool::default(), Oracle { capacity, ..Oracle::default() });
        pool.reset(capacity);
        for (step, offer) in steps.into_iter().enumerate() {
            match offer {
                // Ids arrive in no order, each once.
                Some(key) => {
                    let id = (step as u32).wrapping_mul(0x9E37_79B1) >> 1;
                    let place = pool.insert(key, id);
                    oracle.insert(key, id);
                    let expected = oracle.entries.iter().position(|entry| entry.1 == id);
                    prop_assert_eq!(place, expected);
                }
                None => prop_assert_eq!(pool.pop(), oracle.pop()),
            }
            let first = oracle.entries.iter().position(|entry| !entry.2);
            prop_assert_eq!(pool.cursor(), first.unwrap_or(oracle.entries.len()));
            let packed: Vec<u64> =
                oracle.entries.iter().map(|&(key, id, _)| crinoid_quant::key::pack(key, id)).collect();
            prop_assert_eq!(pool.packed().collect::<Vec<_>>(), packed);
        }
    }
}
