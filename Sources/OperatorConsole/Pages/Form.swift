/// Forms that change something: always a POST, always with the session's own token.
enum Form {
    static let tokenField = "form-token"

    static func post(
        to route: Route,
        token: String,
        _ attributes: Attribute...,
        @HTMLBuilder content: () -> HTML
    ) -> HTML {
        HTML(
            .form,
            [Attribute("method", "post"), .action(route)] + attributes,
            .joined([
                tag(.input, .type("hidden"), .name(tokenField), .value(token)),
                content(),
            ])
        )
    }

    /// A labelled field.
    static func field(_ label: String, _ name: String, _ attributes: Attribute...) -> HTML {
        .joined([
            tag(.label, Attribute("for", name)) { label },
            HTML(.input, [.id(name), .name(name)] + attributes, .nothing),
        ])
    }
}
