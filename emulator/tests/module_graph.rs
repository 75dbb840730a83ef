//! The files of `src` import each other in one direction only: their `use` lines form a graph without cycles.
//!
//! A file that needs another one which needs it back can only be read, tested and changed together with it. Lines that
//! declare a module (`mod …;`) and test modules do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// For each module, by its path such as `imm::store`, the modules that it imports. The crate's root is `""`.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Reads the graph of the crate whose sources are below `folder`.
fn read_graph(folder: &Path) -> Graph {
    let mut sources = BTreeMap::new();
    read_folder(folder, &[], &mut sources);
    graph_of(&sources)
}

fn read_folder(folder: &Path, module: &[&str], sources: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let nested = [module, &[name]].concat();
        if path.is_dir() {
            read_folder(&path, &nested, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            // The program is a crate of its own, and test files import what they test.
            && !(module.is_empty() && name == "main")
            && !name.ends_with("_tests")
        {
            let module = if name == "mod" || (module.is_empty() && name == "lib") { module } else { &nested };
            sources.insert(module.join("::"), fs::read_to_string(&path).unwrap());
        }
    }
}

fn graph_of(sources: &BTreeMap<String, String>) -> Graph {
    let modules: BTreeSet<&str> = sources.keys().map(String::as_str).collect();
    let imports = |(module, text): (&String, &String)| {
        let paths = paths_in(text).into_iter().filter_map(|path| resolve(module, &path, &modules));
        (module.clone(), paths.filter(|imported| imported != module).collect())
    };
    sources.iter().map(imports).collect()
}

/// Every path in `use` declarations, and every path in other code that begins with `crate`, `self` or `super`.
fn paths_in(text: &str) -> Vec<String> {
    // Test modules come last in their files.
    let text = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join(" ");
    let is_path = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    let mut paths = Vec::new();
    for (at, keyword) in code.match_indices("use ").filter(|(at, _)| !code[..*at].ends_with(is_path)) {
        expand(code[at + keyword.len()..].split(';').next().unwrap_or_default(), "", &mut paths);
    }
    let starts = ["crate::", "self::", "super::"];
    // A path before a brace ends in `::`, and is in the list already.
    let inline = code.split(|character| !is_path(character)).filter(|path| !path.ends_with("::"));
    paths.extend(inline.filter(|path| starts.iter().any(|start| path.starts_with(start))).map(str::to_owned));
    paths
}

/// Expands `a::{b, c::{d, e as f}}` to `a::b`, `a::c::d` and `a::c::e`.
fn expand(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((start, group)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        paths.push(format!("{prefix}{name}"));
        return;
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let prefix = format!("{prefix}{}", start.trim());
    let (mut depth, mut begin) = (0, 0);
    for (index, character) in group.char_indices().chain([(group.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !group[begin..index].trim().is_empty() {
                    expand(&group[begin..index], &prefix, paths);
                }
                begin = index + 1;
            }
            _ => {}
        }
    }
}

/// The module that a path written in `module` leads into: the longest beginning of it that is a module. `None` for
/// paths into other crates.
fn resolve(module: &str, path: &str, modules: &BTreeSet<&str>) -> Option<String> {
    let mut base: Vec<&str> = if module.is_empty() { Vec::new() } else { module.split("::").collect() };
    let mut names = path.split("::").filter(|name| !name.is_empty()).peekable();
    match *names.peek()? {
        "crate" => {
            base.clear();
            names.next();
        }
        "self" => drop(names.next()),
        "super" => {
            while names.next_if_eq(&"super").is_some() {
                base.pop();
            }
        }
        // A relative path leads into a module declared here, or into another crate.
        name => {
            let child = [base.as_slice(), &[name]].concat().join("::");
            modules.get(child.as_str())?;
        }
    }
    for name in names {
        let longer = [base.as_slice(), &[name]].concat();
        if !modules.contains(longer.join("::").as_str()) {
            break;
        }
        base = longer;
    }
    Some(base.join("::"))
}

/// The modules of one cycle in the order of their imports, the first one repeated at the end.
fn find_cycle(graph: &Graph) -> Option<Vec<String>> {
    let mut finished = BTreeSet::new();
    graph.keys().find_map(|module| visit(graph, module, &mut Vec::new(), &mut finished))
}

fn visit<'a>(
    graph: &'a Graph,
    module: &'a str,
    path: &mut Vec<&'a str>,
    finished: &mut BTreeSet<&'a str>,
) -> Option<Vec<String>> {
    if let Some(start) = path.iter().position(|earlier| *earlier == module) {
        return Some(path[start..].iter().chain([&module]).map(ToString::to_string).collect());
    }
    if finished.contains(module) {
        return None;
    }
    path.push(module);
    let cycle = graph.get(module)?.iter().find_map(|imported| visit(graph, imported, path, finished));
    path.pop();
    finished.insert(module);
    cycle
}

fn own_graph() -> Graph {
    read_graph(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
}

#[test]
fn the_files_of_the_emulator_do_not_import_each_other_in_a_circle() {
    let graph = own_graph();
    assert!(
        graph.len() > 30 && graph["server"].contains("state") && graph["state"].contains("imm::store"),
        "{graph:?}"
    );
    if let Some(cycle) = find_cycle(&graph) {
        panic!("these files import each other in a circle: {}", cycle.join(" -> "));
    }
}

#[test]
fn one_import_from_the_bottom_to_the_top_would_be_found() {
    let mut graph = own_graph();
    graph.get_mut("clock").unwrap().insert("server".to_owned());
    let cycle = find_cycle(&graph).unwrap();
    assert!(cycle.windows(2).any(|pair| pair == ["clock", "server"]), "{cycle:?}");
    assert_eq!(cycle.first(), cycle.last());
}

#[test]
fn a_cycle_is_found_and_a_diamond_is_none() {
    let graph = |edges: &[(&str, &[&str])]| -> Graph {
        edges.iter().map(|(from, to)| (from.to_string(), to.iter().map(ToString::to_string).collect())).collect()
    };
    let diamond = graph(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]);
    assert_eq!(find_cycle(&diamond), None);
    let circle = graph(&[("a", &["b"]), ("b", &["c", "d"]), ("c", &[]), ("d", &["b"])]);
    assert_eq!(find_cycle(&circle).unwrap(), ["b", "d", "b"]);
}

#[test]
fn use_lines_are_resolved_to_the_files_that_they_lead_into() {
    let sources = [
        ("", "mod a;\npub use a::Item;\npub use std::fmt::{self, Debug};"),
        ("a", "use std::io;\nuse crate::{Thing, b::{self, Other as Name}};\nfn f() { crate::b::inner::g() }"),
        (
            "b",
            "// use crate::a::X;\nuse self::inner::{\n    g,\n    h,\n};\n\n#[cfg(test)]\nmod tests {\n    use crate::a::Y;\n}\n",
        ),
        ("b::inner", "use super::super::a::Item;\nuse super::Other;\n"),
    ];
    let sources = sources.into_iter().map(|(module, text)| (module.to_owned(), text.to_owned())).collect();
    let graph = graph_of(&sources);
    let imports = |module: &str| graph[module].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imports(""), ["a"]);
    assert_eq!(imports("a"), ["", "b", "b::inner"]);
    assert_eq!(imports("b"), ["b::inner"]);
    assert_eq!(imports("b::inner"), ["a", "b"]);
    assert_eq!(find_cycle(&graph).unwrap(), ["", "a", ""]);
}
