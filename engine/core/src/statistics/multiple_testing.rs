//! Many tests at once: how many of those that look significant may be chance (Benjamini and
//! Hochberg), and whether any of them is (Holm).

/// The adjusted p-values of Benjamini and Hochberg (J. R. Stat. Soc. B 57, 1995), in the order of
/// `p_values`: calling everything with an adjusted value of at most q a discovery keeps the
/// expected share of false ones among them at or below q.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let tests = p_values.len() as f64;
    let mut adjusted = vec![1.0; p_values.len()];
    let mut smallest = 1.0_f64;
    for (above, &index) in order.iter().enumerate() {
        let rank = (p_values.len() - above) as f64;
        smallest = smallest.min(p_values[index] * tests / rank);
        adjusted[index] = smallest;
    }
    adjusted
}

/// The adjusted p-values of Holm (Scand. J. Stat. 6, 1979), in the order of `p_values`: calling
/// everything with an adjusted value of at most alpha a difference keeps the probability of even
/// one false call at or below alpha, however the tests depend on each other.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (below, &index) in order.iter().enumerate() {
        let left = (p_values.len() - below) as f64;
        largest = largest.max((p_values[index] * left).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::random::Random;

    /// The example of section 3.2 of the paper: four of fifteen hypotheses are rejected at 5 %.
    #[test]
    fn the_papers_example() {
        let p_values = [
            0.0459, 0.0001, 0.3240, 0.0004, 0.0019, 0.4262, 0.0095, 0.0201, 0.5719, 0.0278, 0.0298,
            0.6528, 0.0344, 0.7590, 1.0,
        ];
        let adjusted = benjamini_hochberg(&p_values);
        let rejected: Vec<f64> =
            (0..15).filter(|&i| adjusted[i] <= 0.05).map(|i| p_values[i]).collect();
        assert_eq!(rejected, [0.0001, 0.0004, 0.0019, 0.0095]);
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    /// R's `p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.5), "holm")`.
    #[test]
    fn holm_s_values_are_those_of_r() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005, 0.5]);
        for (value, truth) in adjusted.iter().zip([0.04, 0.09, 0.09, 0.025, 0.5]) {
            assert!((value - truth).abs() < 1e-12, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    /// The definition: reject the k smallest, k the last rank with p(k) <= k q / m.
    #[test]
    fn it_rejects_what_the_step_up_rule_rejects() {
        let mut random = Random::new(3);
        for _ in 0..200 {
            let p_values: Vec<f64> = (0..12).map(|_| random.unit().powi(3)).collect();
            let mut sorted = p_values.clone();
            sorted.sort_by(f64::total_cmp);
            let last = (1..=12_usize).rev().find(|&k| sorted[k - 1] <= k as f64 * 0.1 / 12.0);
            let adjusted = benjamini_hochberg(&p_values);
            let rejected = adjusted.iter().filter(|&&q| q <= 0.1).count();
            assert_eq!(rejected, last.unwrap_or(0), "{p_values:?}");
        }
    }
}
