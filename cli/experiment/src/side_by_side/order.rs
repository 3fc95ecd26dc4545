//! The order in which two sides are measured.

use uringbench_core::statistics::random::Random;

/// The sides of `pairs` pairs in turn: each block of two pairs is A B B A or B A A B by chance, so
/// that a machine that drifts hits both sides alike. The last pair of an odd number is in random
/// order.
pub(crate) fn balanced(pairs: usize, seed: u64) -> Vec<[usize; 2]> {
    let mut random = Random::new(seed);
    let mut order: Vec<[usize; 2]> = Vec::with_capacity(pairs + 1);
    while order.len() < pairs {
        let first = if random.coin() { [0, 1] } else { [1, 0] };
        order.extend([first, [first[1], first[0]]]);
    }
    order.truncate(pairs);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_balanced_and_blocks_are_in_random_order() {
        let order = balanced(200, 3);
        assert!(order.chunks(2).all(|block| block[0][0] == block[1][1] && block[0] != block[1]));
        let a_first = order.chunks(2).filter(|block| block[0][0] == 0).count();
        assert!((30..=70).contains(&a_first), "{a_first} of 100 blocks begin with A");
        assert_eq!(balanced(3, 1).len(), 3);
        assert_eq!(balanced(4, 9), balanced(4, 9));
    }
}
