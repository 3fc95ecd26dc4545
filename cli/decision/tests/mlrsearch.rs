//! The classification of loads against that of the reference implementation of RFC 9971.

use uringbench_decision::capacity::{ClassifyRule, LoadClass, LoadTrials};

const CASES: &str = include_str!("data/mlrsearch.txt");

#[test]
fn loads_are_classified_as_by_mlrsearch() {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let mut classes = [0; 3];
    for case in CASES.lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<_> = case.split('|').collect();
        let [rule, tried, expected] = parts[..] else { panic!("{case}") };
        let rule: Vec<_> = rule.split_whitespace().map(number).collect();
        let rule = ClassifyRule {
            trial: rule[0],
            sum: rule[1],
            loss_ratio: rule[2],
            exceed_ratio: rule[3],
        };
        let mut trials = LoadTrials::default();
        for trial in tried.split_whitespace() {
            let (seconds, loss) = trial.split_once(':').expect("seconds and a share");
            trials.add(number(seconds), number(loss));
        }
        let (class, share) = expected.trim().split_once(' ').expect("a class and a share");
        let (found, index) = match trials.class(&rule) {
            LoadClass::Lower => ("lower", 0),
            LoadClass::Upper => ("upper", 1),
            LoadClass::Undecided => ("undecided", 2),
        };
        classes[index] += 1;
        assert_eq!(found, class, "{case}");
        let throughput = trials.conditional_throughput(1.0, &rule);
        assert!((throughput - number(share)).abs() < 1e-12, "{throughput} in {case}");
    }
    assert!(classes.iter().all(|count| *count > 50), "{classes:?}");
}
