//! Parses YAML to the tree that JSON gives: one document, scalars by the core schema of YAML 1.2.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// The largest depth: a deeper document would exhaust the stack.
const DEPTH_MAX: usize = 100;
/// The largest number of nodes: aliases can make a huge tree of a small text.
const NODES_MAX: usize = 1_000_000;

/// Parses the first document.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut tree = Tree::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|why| why.to_string())?;
        let line = span.start.line();
        if tree.take(event).map_err(|why| format!("line {line}: {why}"))? {
            break;
        }
    }
    tree.done.ok_or_else(|| "there is nothing in it".to_owned())
}

#[derive(Default)]
struct Tree {
    /// The open lists and maps, the innermost last.
    open: Vec<Open>,
    anchors: HashMap<usize, Value>,
    nodes: usize,
    done: Option<Value>,
}

struct Open {
    anchor: usize,
    node: Node,
}

enum Node {
    List(Vec<Value>),
    /// A map, and the key that waits for its value.
    Map(Map<String, Value>, Option<String>),
}

impl Tree {
    /// Processes an event; returns whether the document ends with it.
    fn take(&mut self, event: Event<'_>) -> Result<bool, String> {
        match event {
            Event::SequenceStart(anchor, _) => self.begin(anchor, Node::List(Vec::new()))?,
            Event::MappingStart(anchor, _) => self.begin(anchor, Node::Map(Map::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return Err("it ends twice".to_owned()) };
                let value = match open.node {
                    Node::List(list) => Value::Array(list),
                    Node::Map(map, _) => Value::Object(map),
                };
                self.add(value, open.anchor)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_string = tag.is_some_and(|tag| tag.suffix == "str");
                let is_plain = style == ScalarStyle::Plain && !is_string;
                let value = if is_plain && !self.is_key() { plain(&text) } else { text.into() };
                self.add(value, anchor)?;
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or("an alias is inside its own anchor")?;
                self.nodes += count(&value);
                self.add(value, 0)?;
            }
            Event::DocumentEnd => return Ok(true),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
        }
        Ok(false)
    }

    /// Whether the next event is a key.
    fn is_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node::Map(_, None), .. }))
    }

    fn begin(&mut self, anchor: usize, node: Node) -> Result<(), String> {
        if self.is_key() {
            return Err("a key is a text: write one".to_owned());
        }
        if self.open.len() >= DEPTH_MAX {
            return Err(format!("it is nested deeper than {DEPTH_MAX} levels"));
        }
        self.open.push(Open { anchor, node });
        Ok(())
    }

    fn add(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(format!("with its aliases it has more than {NODES_MAX} values"));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut().map(|open| &mut open.node) {
            None => self.done = Some(value),
            Some(Node::List(list)) => list.push(value),
            Some(Node::Map(map, key)) => match key.take() {
                None => {
                    *key = Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                }
                // Keys next to a merge take precedence.
                Some(name) if name == "<<" => merge(map, value),
                Some(name) => {
                    map.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

fn merge(map: &mut Map<String, Value>, value: Value) {
    let all = match value {
        Value::Array(all) => all,
        one => vec![one],
    };
    for value in all {
        if let Value::Object(members) = value {
            for (name, value) in members {
                map.entry(name).or_insert(value);
            }
        }
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(all) => 1 + all.iter().map(count).sum::<usize>(),
        Value::Object(all) => 1 + all.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// A scalar without quotes (YAML 1.2.2, section 10.3.2).
fn plain(text: &str) -> Value {
    let integer = |digits: Option<&str>, radix| {
        digits.and_then(|digits| i64::from_str_radix(digits, radix).ok()).map(Value::from)
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => {
            let is_number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
            let number = is_number.then(|| {
                integer(Some(text.strip_prefix('+').unwrap_or(text)), 10)
                    .or_else(|| integer(text.strip_prefix("0x"), 16))
                    .or_else(|| integer(text.strip_prefix("0o"), 8))
                    .or_else(|| text.parse().ok().and_then(Number::from_f64).map(Value::Number))
            });
            number.flatten().unwrap_or_else(|| text.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_gives_the_tree_of_json() {
        let text = "a: &x {b: 1, 200: [true, ~, no, 1.5, 0x10, '2', !!str 3]}\nc: *x\n\
                    d:\n  <<: *x\n  b: 2\ne: |\n  two\n  lines\nf: -\ng: 1.2.3\n";
        let list = r#"[true,null,"no",1.5,16,"2","3"]"#;
        let expected = format!(
            r#"{{"a":{{"b":1,"200":{list}}},"c":{{"b":1,"200":{list}}},"d":{{"b":2,"200":{list}}},
               "e":"two\nlines\n","f":"-","g":"1.2.3"}}"#
        );
        let text = text.replace("f: -", "f: '-'");
        assert_eq!(read(&text).unwrap(), serde_json::from_str::<Value>(&expected).unwrap());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let before = format!("*a{}, ", level - 1).repeat(10);
            bomb += &format!("a{level}: &a{level} [{before}]\n");
        }
        assert!(read(&bomb).unwrap_err().contains("more than 1000000 values"));
        assert!(read(&"[".repeat(200)).is_err());
        assert!(read("a: *b").is_err());
        assert!(read("").is_err());
    }
}
