//! That circles and wrong arrows are found, in small trees.

use std::path::Path;

use super::{
    graph::Graph,
    rooms::Rooms,
    tree::{Crate, Tree},
};

/// The imports of the crates `low` and `high`, which have these files.
fn graph(files: &[(&str, &str)]) -> Graph {
    let crates = ["low", "high"].map(|name| Crate {
        library: Some(name.to_owned()),
        root: format!("{name}/src/lib.rs").into(),
    });
    let text = |path: &Path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        let is_root = path.ends_with("lib.rs");
        found
            .map(|(_, text)| (*text).to_owned())
            .or_else(|| is_root.then(String::new))
    };
    Tree::read(&crates, &text).graph()
}

/// The circles among the modules `a` and `b` of a crate that re-exports `A` and `B`.
fn circles(a: &str, b: &str) -> Vec<String> {
    let root = "mod a; mod b; pub use a::A; pub use b::B;";
    graph(&[
        ("low/src/lib.rs", root),
        ("low/src/a.rs", &format!("{a} pub struct A;")),
        ("low/src/b.rs", &format!("{b} pub struct B;")),
    ])
    .circles()
}

const CIRCLE: &str = "low/src/a.rs → low/src/b.rs → low/src/a.rs";

#[test]
fn finds_a_circle_however_it_is_written() {
    for back in [
        "use crate::a::A;",
        "use super::a::A;",
        "use super::{a::{self as other}};",
        "use crate::a::*;",
        "pub use crate::a::A as Again;",
        "use crate::a; fn f(_: a::A) {}",
        "fn f() -> crate::a::A { loop {} }",
        "fn f() { use crate::a::A; }",
        "fn f() { let _ = vec![(1, crate::a::A)]; }",
        "fn f() { println!(\"{:?}\", Some(super::a::A)); }",
        "mod inner { use super::super::a::A; }",
        "impl std::fmt::Debug for crate::a::A {}",
        "use low::A;",
    ] {
        assert_eq!(circles("use crate::b::B;", back), [CIRCLE], "{back}");
    }
}

#[test]
fn resolves_the_re_exports_of_a_facade() {
    assert_eq!(circles("use crate::B;", "use crate::A;"), [CIRCLE]);
    assert_eq!(
        circles(
            "use crate::{B as Other};",
            "use super::*; fn f() -> A::X {}"
        ),
        [CIRCLE]
    );
    let circles = graph(&[
        ("low/src/lib.rs", "mod a; mod b;"),
        ("low/src/a.rs", "mod deep; pub use deep::A;"),
        ("low/src/a/deep.rs", "pub struct A(crate::b::B);"),
        ("low/src/b.rs", "use crate::a::A; pub struct B;"),
    ])
    .circles();
    let through = "low/src/a/deep.rs → low/src/b.rs → low/src/a/deep.rs";
    assert_eq!(circles, [through]);
}

#[test]
fn finds_longer_circles_and_each_one_once() {
    let circles = graph(&[
        ("low/src/lib.rs", "mod a; mod b; mod c; mod d; mod e;"),
        ("low/src/a.rs", "use crate::b::B; pub struct A;"),
        ("low/src/b.rs", "use crate::c::C; pub struct B;"),
        ("low/src/c.rs", "use crate::{a::A, d::D}; pub struct C;"),
        ("low/src/d.rs", "use crate::e::E; pub struct D;"),
        ("low/src/e.rs", "use crate::d::D; pub struct E;"),
    ])
    .circles();
    assert_eq!(
        circles,
        [
            "low/src/a.rs → low/src/b.rs → low/src/c.rs → low/src/a.rs",
            "low/src/d.rs → low/src/e.rs → low/src/d.rs",
        ]
    );
}

#[test]
fn takes_parent_and_child_for_files_like_others() {
    let child = |parent: &str| {
        graph(&[
            ("low/src/lib.rs", "mod a;"),
            ("low/src/a.rs", &format!("mod b; pub struct A; {parent}")),
            ("low/src/a/b.rs", "use super::A; pub struct B(A);"),
        ])
        .circles()
    };
    assert!(child("").is_empty());
    let circle = ["low/src/a.rs → low/src/a/b.rs → low/src/a.rs"];
    assert_eq!(child("use b::B;"), circle);
    assert_eq!(child("fn f(_: b::B) {}"), circle);
}

#[test]
fn leaves_out_tests_and_what_is_no_import() {
    for back in [
        "",
        "#[cfg(test)] mod tests { use crate::a::A; }",
        "#[cfg(test)] mod tests;",
        "#[cfg(test)] use crate::a::A;",
        "struct Own { a: u8 } impl Own { #[cfg(test)] fn f(_: crate::a::A) {} }",
        "/// [`crate::a::A`]\nfn f() {}",
        "fn f() -> &'static str { \"crate::a::A\" }",
        "use std::a::A;",
        "pub(in crate::a) fn f() {}",
        "enum A { X } fn f(_: A::X) {}",
    ] {
        let found = circles("use crate::b::B;", back);
        assert!(found.is_empty(), "{back}: {found:?}");
    }
}

const TABLE: &str = "\
| other | table |
|---|---|
| `high/` | |

| component | what it is |
|---|---|
| `low/` | not `high/` |
| `high/src/first/`, `high/src/second.rs` | two of them |
| `high/src/third/` | |
";

fn upward(files: &[(&str, &str)]) -> Vec<String> {
    Rooms::of_table(TABLE).upward(&graph(files))
}

#[test]
fn finds_an_arrow_from_a_lower_part_to_a_higher_one() {
    let root = ("high/src/lib.rs", "pub mod first; mod second; mod third;");
    let [first, third] = ["high/src/first.rs", "high/src/third.rs"];
    let second = ("high/src/second.rs", "use crate::first::F; pub struct S;");
    let good = [
        ("low/src/lib.rs", "pub struct L;"),
        root,
        (first, "use crate::second::S; use low::L; pub struct F;"),
        second,
        (
            third,
            "use crate::{first::F, second::S}; use low::L; pub struct T;",
        ),
    ];
    assert!(upward(&good).is_empty());

    let mut within = good;
    within[2] = (first, "pub struct F(crate::third::T);");
    assert_eq!(upward(&within), ["high/src/first.rs → high/src/third.rs"]);

    // What is re-exported there may well be a lower part's.
    let mut past = good;
    past[2] = (first, "pub struct F(crate::third::L);");
    past[4] = (third, "pub use low::L; pub struct T;");
    assert_eq!(upward(&past), ["high/src/first.rs → high/src/third.rs"]);

    let mut between = good;
    between[0] = ("low/src/lib.rs", "pub struct L(high::first::F);");
    assert_eq!(upward(&between), ["low/src/lib.rs → high/src/first.rs"]);
}

#[test]
fn reads_the_parts_of_the_table() {
    let rooms = Rooms::of_table(TABLE);
    for (file, room) in [
        ("low/src/lib.rs", Some(0)),
        ("high/src/first.rs", Some(1)),
        ("high/src/first/deep/er.rs", Some(1)),
        ("high/src/second/deep.rs", Some(1)),
        ("high/src/third.rs", Some(2)),
        ("high/src/thirdly.rs", None),
        ("lower/src/lib.rs", None),
    ] {
        assert_eq!(rooms.of(file), room, "{file}");
    }
}
