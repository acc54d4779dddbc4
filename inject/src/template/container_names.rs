//! The names of a template's containers, unless they are computed.

use serde_json::Value;

use super::tree::{Mapping, Node, Template};
use crate::pod;

/// A part of a template, compiled or literal.
#[derive(Clone, Copy)]
enum Part<'a> {
    Compiled(&'a Node),
    Literal(&'a Value),
}

impl Template {
    /// The names of the containers that it may add; `None` where one is computed.
    pub fn container_names(&self) -> Option<Vec<&str>> {
        names(&self.0)
    }
}

fn names(template: &Node) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let Some(spec) = member(Part::Compiled(template), "spec")? else {
        return Some(names);
    };
    for list in pod::CONTAINER_LISTS {
        let Some(list) = member(spec, list)? else {
            continue;
        };
        for container in elements(list)? {
            match member(container, "name")? {
                Some(Part::Literal(Value::String(name))) => names.push(name.as_str()),
                // Not a container: the template is refused when it is tried.
                Some(Part::Literal(_)) | None => {}
                Some(Part::Compiled(_)) => return None,
            }
        }
    }
    Some(names)
}

/// A member of a mapping, if there is one; the outer `None` where it is computed.
fn member<'a>(part: Part<'a>, key: &str) -> Option<Option<Part<'a>>> {
    match part {
        Part::Literal(value) | Part::Compiled(Node::Literal(value)) => {
            Some(value.get(key).map(Part::Literal))
        }
        Part::Compiled(Node::Mapping(Mapping {
            splice: None,
            fields,
            ..
        })) => {
            let field = fields.iter().find(|(name, _)| name == key);
            Some(field.map(|(_, node)| match node {
                Node::Literal(value) => Part::Literal(value),
                node => Part::Compiled(node),
            }))
        }
        Part::Compiled(_) => None,
    }
}

fn elements(part: Part<'_>) -> Option<Vec<Part<'_>>> {
    match part {
        Part::Literal(value) | Part::Compiled(Node::Literal(value)) => {
            Some(pod::array(value).iter().map(Part::Literal).collect())
        }
        Part::Compiled(Node::List(nodes)) => Some(nodes.iter().map(Part::Compiled).collect()),
        Part::Compiled(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::template::compile::compile;

    fn names(template: &str) -> Option<Vec<String>> {
        let template = compile(&crate::yaml::parse(template).unwrap()).unwrap();
        let names = template.container_names()?;
        Some(names.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn finds_the_names_in_both_lists_under_any_condition() {
        let template = "spec:\n  initContainers:\n  - {$if: x, name: a, image: '{{ x }}'}\n  \
                        containers: [{name: b}, {name: c, args: [{$splice: x}]}]";
        assert_eq!(names(template).unwrap(), ["a", "b", "c"]);
    }

    #[test]
    fn a_template_without_containers_has_none() {
        assert!(
            names("metadata: {labels: {a: '{{ x }}'}}")
                .unwrap()
                .is_empty()
        );
        assert!(names("spec: {dnsPolicy: '{{ x }}'}").unwrap().is_empty());
    }

    #[test]
    fn does_not_know_computed_names() {
        for template in [
            "spec: '{{ x }}'",
            "spec: {$splice: x}",
            "spec: {containers: '{{ x }}'}",
            "spec: {containers: [{$splice: x}]}",
            "spec: {containers: [{name: a, $splice: x}]}",
            "spec: {containers: [{name: 'a-{{ x }}'}]}",
        ] {
            assert_eq!(names(template), None, "{template}");
        }
    }
}
