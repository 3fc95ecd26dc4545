//! What stands out in a run, as text: a name and a text for each line.

use uringbench_document::insight::InsightFigures;

/// Lines for display; a name is empty for a continuation.
pub(crate) fn lines(insights: &[InsightFigures]) -> Vec<(String, String)> {
    let line = |insight: &InsightFigures| {
        let observation = ("insight".to_owned(), insight.description.clone());
        let first = insight.recommendations.first();
        let advice = first.map(|first| (String::new(), format!("- {first}")));
        std::iter::once(observation).chain(advice)
    };
    insights.iter().flat_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_document::insight::InsightSeverity;

    #[test]
    fn an_insight_is_its_observation_and_the_most_promising_advice() {
        let insight = InsightFigures {
            kind: "long_tail".to_owned(),
            severity: InsightSeverity::Warning,
            description: "one in a hundred takes 50 ms".to_owned(),
            figures: [("p99_ns".to_owned(), 5e7)].into(),
            recommendations: vec!["profile it".to_owned(), "repeat it".to_owned()],
        };
        let found = lines(&[insight]);
        let expected = [("insight", "one in a hundred takes 50 ms"), ("", "- profile it")];
        assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(lines(&[]), []);
    }
}
