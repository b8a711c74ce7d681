import GoldsmithCommands

/// The program. Everything it does is in the library, where tests reach it.
@main
enum Entry {
    static func main() async { await Program.run() }
}
