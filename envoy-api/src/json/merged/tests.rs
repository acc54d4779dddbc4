use super::*;

#[test]
fn packed_numbers_have_the_type_of_their_kind() {
    assert_eq!(packed_as(Kind::Uint32), Some(WireType::VARINT));
    assert_eq!(packed_as(Kind::Fixed64), Some(WireType::FIXED64));
    assert_eq!(packed_as(Kind::Float), Some(WireType::FIXED32));
    assert_eq!(packed_as(Kind::String), None);
}
