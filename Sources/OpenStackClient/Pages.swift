/// A link to the next page of a list. Only that there is one is of interest.
struct NextPage: Decodable {}

extension OpenStackCloud {
    static let pageSize = 500

    /// All rows of a list that comes in pages.
    /// - Parameter ask: for one page, by the members of a query that choose it.
    /// - Throws: `malformed` when what the last page ended with was deleted meanwhile. Then the list is not missing, but
    ///   unknown.
    func everything<Row>(
        id: (Row) -> String,
        _ ask: ([(String, String)]) async throws(OpenStackError) -> (rows: [Row], isMore: Bool)
    ) async throws(OpenStackError) -> [Row] {
        var found: [Row] = []
        while true {
            let marker = found.last.map { [("marker", id($0))] } ?? []
            let page: (rows: [Row], isMore: Bool)
            do throws(OpenStackError) {
                page = try await ask(marker + [("limit", "\(Self.pageSize)")])
            } catch  where error.kind == .notFound && !marker.isEmpty {
                throw OpenStackError(.malformed, status: error.status, "a list changed while it was read")
            }
            found += page.rows
            guard !page.rows.isEmpty, page.isMore else { return found }
        }
    }
}
