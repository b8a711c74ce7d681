/// Forms that change something: always a POST, always with the session's own token.
enum Form {
    static let tokenField = "form-token"

    static func post(
        to place: Place,
        token: String,
        _ attributes: Attribute...,
        @HTMLBuilder content: () -> HTML
    ) -> HTML {
        HTML(
            .form,
            [Attribute("method", "post"), .action(place)] + attributes,
            .joined([
                tag(.input, .type("hidden"), .name(tokenField), .value(token)),
                content(),
            ])
        )
    }
}
