//! Tables and code of two versions, whole and damaged; compressed numbers.

#[path = "../../../fuzz/src/java_heap.rs"]
mod java_heap;

use self::java_heap::{
    CODE, COMPILED, COMPLETE, INLINED_END, INNER, INTERPRETED, JavaHeap, JavaVersion, OUTER,
};
use super::*;

const VERSIONS: [JavaVersion; 2] = [JavaVersion::Java17, JavaVersion::Java25];

fn read(heap: &JavaHeap) -> Result<HotSpotLayout, HotSpotLayoutError> {
    let mut memory = |at, bytes: &mut [u8]| heap.read(at, bytes);
    HotSpotLayout::read(|name| heap.symbol_at(name), &mut memory)
}

#[test]
fn an_address_leads_to_its_methods() {
    for version in VERSIONS {
        let heap = JavaHeap::new(version);
        let layout = read(&heap).expect("whole tables");
        let mut memory = |at, bytes: &mut [u8]| heap.read(at, bytes);
        let blob = layout.blob(CODE[0] + 1, &mut memory).expect("a compiled method");
        let expected = CodeBlob {
            start: COMPILED,
            kind: BlobKind::Compiled { method: OUTER, id: 77 },
            code: CODE[0]..CODE[1],
            frame_size: 48,
            complete_from: COMPLETE,
        };
        assert_eq!(blob, expected, "{version:?}");
        assert!(layout.is_same(&blob, &mut memory));
        let mut methods = |at| layout.methods(&blob, at, &mut memory);
        assert_eq!(methods(INLINED_END - 4), [INNER, OUTER], "{version:?}");
        assert_eq!(methods(INLINED_END), [INNER, OUTER], "{version:?}");
        assert_eq!(methods(INLINED_END + 1), [OUTER], "{version:?}");
        assert_eq!(layout.name(INNER, &mut memory).as_deref(), Some("shop.Cart.mix"));
        let made = layout.name(OUTER, &mut memory);
        assert_eq!(made.as_deref(), Some("shop.Cart$$Lambda.total"), "without its address");
        let kind = |at, memory: &mut _| layout.blob(at, memory).map(|blob| blob.kind);
        assert_eq!(kind(INTERPRETED, &mut memory), Some(BlobKind::Interpreter));
        for outside in [0, COMPILED, CODE[1], 0x8700, 0xa000, u64::MAX] {
            assert_eq!(kind(outside, &mut memory), None, "{outside:#x}");
        }
    }
}

#[test]
fn tables_without_a_field_name_it() {
    let heap = JavaHeap::new(JavaVersion::Java17);
    let mut damaged = JavaHeap::new(JavaVersion::Java17);
    assert!(read(&heap).is_ok());
    // The first entry is that of the length of lists.
    let name = b"GrowableArrayBase";
    let mut text = [0; 17];
    let at = (0x3000..0x4000).find(|&at| heap.read(at, &mut text).is_some() && &text == name);
    damaged.damage(at.expect("its name is there") as usize, b'X');
    let missing = HotSpotLayoutError::Missing("GrowableArrayBase._len");
    assert_eq!(read(&damaged), Err(missing));
    let nothing = |_: &str| None;
    let mut memory = |at, bytes: &mut [u8]| heap.read(at, bytes);
    assert_eq!(HotSpotLayout::read(nothing, &mut memory), Err(HotSpotLayoutError::Unreadable));
}

#[test]
fn numbers_are_compressed_by_their_size() {
    let read = |bytes: &[u8], has_no_zeros| unsigned5(&mut bytes.iter().copied(), has_no_zeros);
    // Values and bytes of HotSpot's own table of examples, before JDK 20.
    assert_eq!(read(&[0], false), Some(0));
    assert_eq!(read(&[191], false), Some(191));
    assert_eq!(read(&[192, 0], false), Some(192));
    assert_eq!(read(&[193, 2], false), Some(193 + (2 << 6)));
    assert_eq!(
        read(&[255; 5], false),
        Some((0..5).map(|nth| 255_u32 << (6 * nth)).fold(0, u32::wrapping_add))
    );
    // Since.
    assert_eq!(read(&[1], true), Some(0));
    assert_eq!(read(&[191], true), Some(190));
    assert_eq!(read(&[192, 1], true), Some(191));
    assert_eq!(read(&[0], true), None, "no number has a zero");
    assert_eq!(read(&[255], false), None, "cut off");
}
