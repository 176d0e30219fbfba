//! Nodes, constants and inputs of an ONNX graph, and edits of them. Field numbers are those of `onnx.proto`.

use std::collections::{HashMap, HashSet};

use super::Error;
use super::tensor::{Constant, MAX_RANK, read_tensor};
use super::wire::{Fields, Value, packed, put_bytes};

/// Most nodes, constants and values of a graph together; large published models have some ten thousand.
const MAX_ITEMS: usize = 1 << 20;

/// Most attributes of a node; the richest standard operator has about twenty.
const MAX_ATTRIBUTES: usize = 256;

/// A node, as much of it as the mends look at.
pub(super) struct Node<'a> {
    pub(super) raw: &'a [u8],
    pub(super) inputs: Vec<&'a [u8]>,
    pub(super) outputs: Vec<&'a [u8]>,
    pub(super) op: &'a [u8],
    pub(super) attributes: Vec<Attribute<'a>>,
    name: &'a [u8],
    is_standard: bool,
}

/// An attribute, as much of it as the mends look at.
pub(super) struct Attribute<'a> {
    pub(super) name: &'a [u8],
    pub(super) ints: Vec<i64>,
    tensor: Option<&'a [u8]>,
    has_graph: bool,
}

/// A graph input, output or inner value: its name and dimensions; `None` where a dimension is not a number.
pub(super) struct Outlet<'a> {
    pub(super) name: &'a [u8],
    pub(super) dims: Vec<Option<i64>>,
}

/// What is in an ONNX file, borrowed from its bytes.
pub(super) struct Model<'a> {
    bytes: &'a [u8],
    graph: &'a [u8],
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) initializers: HashMap<&'a [u8], Constant>,
    pub(super) inputs: Vec<Outlet<'a>>,
    pub(super) outputs: Vec<Outlet<'a>>,
    pub(super) values: Vec<Outlet<'a>>,
}

/// What is to change; everything else is copied byte for byte.
#[derive(Default)]
pub(super) struct Edits<'a> {
    /// New bytes of nodes, by position.
    pub(super) nodes: HashMap<usize, Vec<u8>>,
    /// New constants by name.
    pub(super) initializers: Vec<(Vec<u8>, Vec<u8>)>,
    /// Constants that are no longer used.
    pub(super) dropped: HashSet<&'a [u8]>,
    /// New name of the first dimension of inputs and outputs where it is 1; inner shapes are then forgotten.
    pub(super) first_dim: Option<&'static str>,
}

impl<'a> Model<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let fault = |reason: &str| Error::Graph {
            reason: reason.into(),
        };
        let (mut graph, mut ir_version) = (None, 0);
        for field in Fields::new(bytes, "the model") {
            let field = field?;
            if let Some(version) = field.varint(1) {
                ir_version = version;
            }
            if let Some(found) = field.bytes(7)
                && graph.replace(found).is_some()
            {
                return Err(fault("it holds two graphs"));
            }
        }
        let graph = graph.ok_or_else(|| fault("it holds no graph"))?;
        if !(4..=1000).contains(&ir_version) {
            return Err(fault(
                "its format is older than ir version 4, which constants need",
            ));
        }
        let mut model = Self {
            bytes,
            graph,
            nodes: Vec::new(),
            initializers: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            values: Vec::new(),
        };
        for (index, field) in Fields::new(graph, "the graph").enumerate() {
            let field = field?;
            if index == MAX_ITEMS {
                return Err(fault("its graph has more than a million parts"));
            }
            let Value::Bytes(content) = field.value else {
                continue;
            };
            match field.number {
                1 => model.nodes.push(Node::read(content)?),
                5 => {
                    let (name, constant) = read_tensor(content)?;
                    model.initializers.insert(name, constant);
                }
                11 => model.inputs.push(Outlet::read(content)?),
                12 => model.outputs.push(Outlet::read(content)?),
                13 => model.values.push(Outlet::read(content)?),
                _ => {}
            }
        }
        if model.nodes.is_empty() {
            return Err(fault("its graph has no nodes"));
        }
        Ok(model)
    }

    /// The short list of integers called `name`, be it an initializer or the output of a `Constant` node.
    pub(super) fn shape(&self, name: &[u8], producers: &HashMap<&[u8], usize>) -> Option<Vec<i64>> {
        if let Some(constant) = self.initializers.get(name) {
            return constant.shape.clone();
        }
        let node = &self.nodes[*producers.get(name)?];
        if !node.is("Constant") {
            return None;
        }
        let tensor = node
            .attributes
            .iter()
            .find_map(|attribute| attribute.tensor)?;
        read_tensor(tensor).ok()?.1.shape
    }

    /// Which node makes which value.
    pub(super) fn producers(&self) -> HashMap<&'a [u8], usize> {
        let outputs = |(index, node): (usize, &Node<'a>)| {
            let names: Vec<_> = node.outputs.iter().map(|&name| (name, index)).collect();
            names
        };
        self.nodes.iter().enumerate().flat_map(outputs).collect()
    }

    /// Whether a node holds a graph of its own, which may use any value of this one.
    pub(super) fn has_nested_graphs(&self) -> bool {
        let mut attributes = self.nodes.iter().flat_map(|node| &node.attributes);
        attributes.any(|attribute| attribute.has_graph)
    }

    /// All names that values have, so that no constant may take one of them.
    fn names(&self) -> HashSet<&'a [u8]> {
        let mut names: HashSet<&[u8]> = self.initializers.keys().copied().collect();
        names.extend(self.nodes.iter().flat_map(|node| &node.outputs));
        names.extend(self.inputs.iter().map(|input| input.name));
        names
    }

    /// The file with `edits` in place.
    pub(super) fn write(&self, edits: &Edits<'_>) -> Result<Vec<u8>, Error> {
        let names = self.names();
        if let Some((name, _)) = edits
            .initializers
            .iter()
            .find(|(name, _)| names.contains(&name[..]))
        {
            let name = String::from_utf8_lossy(name);
            return Err(Error::Graph {
                reason: format!("the name `{name}` is already in use"),
            });
        }
        let mut graph = Vec::with_capacity(self.graph.len() + 4096);
        let mut node_index = 0;
        for field in Fields::new(self.graph, "the graph") {
            let field = field?;
            match (field.number, field.value) {
                (1, Value::Bytes(_)) => {
                    match edits.nodes.get(&node_index) {
                        Some(node) => put_bytes(&mut graph, 1, node),
                        None => graph.extend_from_slice(field.raw),
                    }
                    node_index += 1;
                }
                (5, Value::Bytes(tensor)) if edits.dropped.contains(read_tensor(tensor)?.0) => {}
                (number @ (11 | 12), Value::Bytes(outlet)) => match edits.first_dim {
                    Some(symbol) => {
                        let renamed = with_first_dim(outlet, symbol)?;
                        put_bytes(&mut graph, number, &renamed);
                    }
                    None => graph.extend_from_slice(field.raw),
                },
                (13, Value::Bytes(_)) if edits.first_dim.is_some() => {}
                _ => graph.extend_from_slice(field.raw),
            }
        }
        for (_, tensor) in &edits.initializers {
            put_bytes(&mut graph, 5, tensor);
        }
        let mut model = Vec::with_capacity(graph.len() + 4096);
        for field in Fields::new(self.bytes, "the model") {
            let field = field?;
            if field.bytes(7).is_some() {
                put_bytes(&mut model, 7, &graph);
            } else {
                model.extend_from_slice(field.raw);
            }
        }
        Ok(model)
    }
}

impl<'a> Node<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, Error> {
        let mut node = Self {
            raw,
            inputs: Vec::new(),
            outputs: Vec::new(),
            op: b"",
            attributes: Vec::new(),
            name: b"",
            is_standard: true,
        };
        for field in Fields::new(raw, "a node") {
            let field = field?;
            let Value::Bytes(content) = field.value else {
                continue;
            };
            match field.number {
                1 => node.inputs.push(content),
                2 => node.outputs.push(content),
                3 => node.name = content,
                4 => node.op = content,
                5 if node.attributes.len() == MAX_ATTRIBUTES => {
                    let reason = format!("node `{}` has too many attributes", node.describe());
                    return Err(Error::Graph { reason });
                }
                5 => node.attributes.push(Attribute::read(content)?),
                7 => node.is_standard = content.is_empty() || content == b"ai.onnx",
                _ => {}
            }
        }
        Ok(node)
    }

    /// Whether this is the standard operator `op`.
    pub(super) fn is(&self, op: &str) -> bool {
        self.is_standard && self.op == op.as_bytes()
    }

    /// Name for a message: its own, or that of its first output.
    pub(super) fn describe(&self) -> String {
        let name = if self.name.is_empty() {
            self.outputs.first().copied()
        } else {
            Some(self.name)
        };
        String::from_utf8_lossy(name.unwrap_or_default()).into_owned()
    }
}

impl<'a> Attribute<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, Error> {
        let mut attribute = Self {
            name: b"",
            ints: Vec::new(),
            tensor: None,
            has_graph: false,
        };
        let mut ints = Vec::new();
        for field in Fields::new(raw, "an attribute") {
            let field = field?;
            match (field.number, field.value) {
                (1, Value::Bytes(name)) => attribute.name = name,
                (3 | 8, Value::Varint(value)) if ints.len() < MAX_RANK => ints.push(value),
                // Long lists exist, on nodes no mend looks at.
                (8, Value::Bytes(list)) if list.len() <= 10 * MAX_RANK => {
                    ints = packed(list, MAX_RANK, "an attribute").unwrap_or_default();
                }
                (5, Value::Bytes(tensor)) => attribute.tensor = Some(tensor),
                (6 | 11, Value::Bytes(_)) => attribute.has_graph = true,
                _ => {}
            }
        }
        attribute.ints = ints.into_iter().map(u64::cast_signed).collect();
        Ok(attribute)
    }
}

impl<'a> Outlet<'a> {
    fn read(raw: &'a [u8]) -> Result<Self, Error> {
        let mut outlet = Self {
            name: b"",
            dims: Vec::new(),
        };
        for field in Fields::new(raw, "a value") {
            let field = field?;
            if let Some(name) = field.bytes(1) {
                outlet.name = name;
            }
            let Some(kind) = field.bytes(2) else { continue };
            for field in Fields::new(kind, "a type") {
                let Some(tensor) = field?.bytes(1) else {
                    continue;
                };
                for field in Fields::new(tensor, "a tensor type") {
                    let Some(shape) = field?.bytes(2) else {
                        continue;
                    };
                    for field in Fields::new(shape, "a shape").take(MAX_RANK) {
                        let Some(dim) = field?.bytes(1) else { continue };
                        outlet.dims.push(read_dim(dim)?);
                    }
                }
            }
        }
        Ok(outlet)
    }
}

fn read_dim(raw: &[u8]) -> Result<Option<i64>, Error> {
    let mut value = None;
    for field in Fields::new(raw, "a dimension") {
        value = field?.varint(1).map(u64::cast_signed);
    }
    Ok(value)
}

/// Rewrites one message: each field goes through `edit`, which gives its new content or `None` to copy it.
pub(super) fn rewrite(
    raw: &[u8],
    message: &'static str,
    mut edit: impl FnMut(u64, &[u8]) -> Result<Option<Vec<u8>>, Error>,
) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(raw.len() + 64);
    for field in Fields::new(raw, message) {
        let field = field?;
        let edited = match field.value {
            Value::Bytes(content) => edit(field.number, content)?,
            _ => None,
        };
        match edited {
            Some(content) => put_bytes(&mut out, field.number, &content),
            None => out.extend_from_slice(field.raw),
        }
    }
    Ok(out)
}

/// The value with its first dimension called `symbol`, if that dimension is 1.
fn with_first_dim(outlet: &[u8], symbol: &str) -> Result<Vec<u8>, Error> {
    rewrite(outlet, "a value", |number, kind| {
        if number != 2 {
            return Ok(None);
        }
        rewrite(kind, "a type", |number, tensor| {
            if number != 1 {
                return Ok(None);
            }
            rewrite(tensor, "a tensor type", |number, shape| {
                if number != 2 {
                    return Ok(None);
                }
                let mut is_first = true;
                rewrite(shape, "a shape", |number, dim| {
                    if number != 1 || !std::mem::take(&mut is_first) || read_dim(dim)? != Some(1) {
                        return Ok(None);
                    }
                    let mut named = Vec::new();
                    put_bytes(&mut named, 2, symbol.as_bytes());
                    Ok(Some(named))
                })
                .map(Some)
            })
            .map(Some)
        })
        .map(Some)
    })
}
