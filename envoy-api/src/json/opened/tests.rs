use super::*;

fn field(kind: Kind) -> &'static Field {
    Box::leak(Box::new(Field {
        number: 1,
        name: "f",
        kind,
        label: Label::Implicit,
    }))
}

fn number(kind: Kind, value: wire::Value<'static>) -> String {
    format!("{:?}", Value::number(field(kind), value).unwrap())
}

/// None of the messages has them so far.
#[test]
fn reads_signed_numbers() {
    use wire::Value::{Fixed32, Fixed64, Varint};
    for (written, wanted) in [(0, 0), (1, -1), (2, 1), (u32::MAX - 1, i32::MAX)] {
        let read = number(Kind::Sint32, Varint(u64::from(written) | 1 << 40));
        assert_eq!(read, format!("Int32({wanted})"));
    }
    for (written, wanted) in [(0, 0), (1, -1), (u64::MAX, i64::MIN)] {
        let read = number(Kind::Sint64, Varint(written));
        assert_eq!(read, format!("Int64({wanted})"));
    }
    assert_eq!(number(Kind::Sfixed32, Fixed32(u32::MAX)), "Int32(-1)");
    assert_eq!(number(Kind::Sfixed64, Fixed64(u64::MAX)), "Int64(-1)");
}

#[test]
fn packed_numbers_have_the_type_of_their_kind() {
    assert_eq!(packed_as(Kind::Sint32), Some(WireType::VARINT));
    assert_eq!(packed_as(Kind::Sfixed32), Some(WireType::FIXED32));
    assert_eq!(packed_as(Kind::Double), Some(WireType::FIXED64));
    assert_eq!(packed_as(Kind::String), None);
}
