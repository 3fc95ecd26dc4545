//! A JSON pointer finds in the text of a document the value that a parsed tree has there, for any
//! way to write the text.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::Value;
use uringbench_core::flow::pointer::Pointer;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            btree_map(r#"[a-c/~"\\ é{\[]{0,3}"#, inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The pointers to all values of a tree.
fn pointers(value: &Value, above: &str, all: &mut Vec<String>) {
    all.push(above.to_owned());
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let token = name.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{above}/{token}"), all);
            }
        }
        Value::Array(elements) => {
            for (index, value) in elements.iter().enumerate() {
                pointers(value, &format!("{above}/{index}"), all);
            }
        }
        _ => {}
    }
}

proptest! {
    #[test]
    fn a_pointer_finds_what_a_tree_has(value in json(), is_pretty in any::<bool>()) {
        let text = if is_pretty { format!("{value:#}") } else { value.to_string() };
        // The tree's numbers are those of the text, rounded as the parser rounds them.
        let value: Value = serde_json::from_str(&text).expect("it was written as JSON");
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        for written in all {
            let pointer: Pointer = written.parse().expect("it was made of tokens");
            let found = pointer.find(text.as_bytes()).expect("the tree has it");
            let found: Value = serde_json::from_slice(found).expect("a value is JSON");
            prop_assert_eq!(Some(&found), value.pointer(&written), "{}", written);
            let beyond: Pointer = format!("{written}/none").parse().expect("a pointer");
            prop_assert_eq!(beyond.find(text.as_bytes()), None);
        }
    }

    #[test]
    fn bytes_that_are_no_json_are_survived(text in vec(any::<u8>(), 0..60), at in 0..4_usize) {
        let pointer: Pointer = ["", "/a", "/0", "/a/0"][at].parse().expect("a pointer");
        let _found = pointer.find(&text);
    }
}
