@main
struct Goldsmith {
    static func main() { print("goldsmith") }
}
