//! Completes the generated document: what the routes have in common is written once, here.

use madang_model::access::{Rule, table};
use madang_public_api::{Problem, ProblemKind};
use utoipa::{
    PartialSchema,
    openapi::{
        ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema, Type,
        path::{Operation, Parameter, ParameterIn, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

const TOKEN: &str = "token";

pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Madang")
        .version("1")
        .description(Some("Anyone's code, in a fresh sandbox, in milliseconds."))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    let paths = std::mem::take(&mut document.paths.paths);
    for (path, mut item) in paths {
        for operation in operations(&mut item) {
            complete_operation(&path, operation);
        }
        // The router's way to say that the path may have slashes.
        document.paths.paths.insert(path.replace("{*path}", "{path}"), item);
    }
    let components = document.components.get_or_insert_default();
    components.schemas.insert("Problem".into(), Problem::schema());
    let token = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.security_schemes.insert(TOKEN.into(), RefOr::T(token));
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten()
}

fn complete_operation(path: &str, operation: &mut Operation) {
    let open = operation.operation_id.as_deref().and_then(table::find).is_some_and(|row| row.rule == Rule::Open);
    let mut kinds = vec![ProblemKind::Malformed, ProblemKind::MethodNotAllowed, ProblemKind::Internal];
    if !open {
        operation.security = Some(vec![SecurityRequirement::new(TOKEN, Vec::<String>::new())]);
        kinds.extend([ProblemKind::Unauthenticated, ProblemKind::Forbidden, ProblemKind::TooMany]);
    }
    // Whoever tries to sign in is limited by address.
    if path.contains("/signin/") {
        kinds.push(ProblemKind::TooMany);
    }
    if path.contains('{') {
        // A thing may be in a state that does not allow what is asked.
        kinds.extend([ProblemKind::NotFound, ProblemKind::Conflict]);
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && let Some(RefOr::T(content)) = response.content.get_mut("text/event-stream")
        {
            content.schema = content.schema.take().map(server_sent);
        }
    }
    let in_query = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Query,
        RefOr::Ref(_) => false,
    };
    let has_query = operation.parameters.iter().flatten().any(in_query);
    let conditional = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.parameter_in == ParameterIn::Header && parameter.name.starts_with("If-"),
        RefOr::Ref(_) => false,
    };
    if operation.parameters.iter().flatten().any(conditional) {
        kinds.push(ProblemKind::Precondition);
    }
    if operation.request_body.is_some() {
        kinds.extend([ProblemKind::TooLarge, ProblemKind::MediaType, ProblemKind::TooMany, ProblemKind::NotFound]);
    }
    if operation.request_body.is_some() || has_query || path.contains("/sessions/") {
        kinds.push(ProblemKind::Invalid);
    }
    if path.contains("/sessions") || operation.request_body.is_some() {
        kinds.extend([ProblemKind::Conflict, ProblemKind::Capacity]);
    }
    if operation.responses.responses.contains_key("101") {
        kinds.extend([ProblemKind::UpgradeRequired, ProblemKind::TooMany]);
    }
    if !open {
        // The database, or the node of the thing: whoever asks later is answered.
        kinds.push(ProblemKind::Unavailable);
    }
    for kind in kinds {
        let (status, _, title) = kind.row();
        let schema = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(schema)).build();
        let response = ResponseBuilder::new().description(title).content("application/problem+json", content).build();
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
}

/// One server-sent event: its fields, of which `data` is the JSON of what the route declares.
fn server_sent(declared: RefOr<Schema>) -> RefOr<Schema> {
    let kind = match &declared {
        RefOr::Ref(reference) => reference.ref_location.rsplit('/').next().unwrap_or_default(),
        RefOr::T(_) => "the event",
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let data = text().content_media_type("application/json").description(Some(format!("{kind} as JSON")));
    let id = text().description(Some("Number of the event, for `Last-Event-ID`"));
    let event = ObjectBuilder::new().property("id", id).property("data", data).required("data");
    RefOr::T(event.into())
}
