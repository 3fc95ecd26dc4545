//! YAML as a tree in which every node knows its line.

use saphyr_parser::{Event, Parser};

/// The largest depth: a deeper document would exhaust the stack.
const DEPTH_MAX: usize = 16;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its line, from 1.
    pub(crate) line: usize,
    /// Its content.
    pub(crate) content: Content,
}

/// The content of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    List(Vec<Node>),
    /// Keys with their lines.
    Map(Vec<(Node, Node)>),
}

/// A mistake on a line.
pub(crate) type Mistake = (usize, String);

/// The first document; `None` if there is nothing in the text.
pub(crate) fn read(text: &str) -> Result<Option<Node>, Mistake> {
    let mut open: Vec<(usize, Vec<Node>, bool)> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|why| (why.marker().line(), why.info().to_owned()))?;
        let line = span.start.line();
        let done = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if open.len() >= DEPTH_MAX {
                    return Err((line, format!("it is nested deeper than {DEPTH_MAX} levels")));
                }
                open.push((line, Vec::new(), matches!(event, Event::MappingStart(..))));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some((line, nodes, is_map)) = open.pop() else { continue };
                let content =
                    if is_map { Content::Map(pairs(nodes)) } else { Content::List(nodes) };
                Node { line, content }
            }
            Event::Scalar(text, ..) => Node { line, content: Content::Text(text.into_owned()) },
            Event::Alias(_) => return Err((line, "write the value again: no aliases".to_owned())),
            _ => continue,
        };
        match open.last_mut() {
            Some((_, nodes, _)) => nodes.push(done),
            None => return Ok(Some(done)),
        }
    }
    Ok(None)
}

/// Keys and values in turn.
fn pairs(nodes: Vec<Node>) -> Vec<(Node, Node)> {
    let mut nodes = nodes.into_iter();
    std::iter::from_fn(move || Some((nodes.next()?, nodes.next()?))).collect()
}
