package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"github.com/catalog-courier/catalog-courier/catalog"
	"github.com/catalog-courier/catalog-courier/publish"
)

// book is what both catalogs say of a row of goodbooks-10k.
type book struct {
	id          string
	title       string
	description string
	authors     string
	image       string
	rating      float64
	ratings     int
}

func (b book) itemID() string { return "book-" + b.id }
func (b book) link() string   { return "https://books.example.com/" + b.id }

// price is the list price, or a lower one in the sale.
func (b book) price(sale bool) string {
	if sale {
		return price(b.id, 5, 40, 2)
	}
	return price(b.id, 5, 40, 1)
}

// The books that change after they were published, by place in the table.
const (
	saleEvery   = 3
	removeEvery = 25
	returnEvery = 50
)

// bookMutations publishes every book, then a sale of every third one, then removes
// every 25th, and brings every second one of these back.
func bookMutations(folder string, made func(book) publish.Mutation) ([]publish.Mutation, error) {
	books, err := readBooks(filepath.Join(folder, "books.csv.gz"))
	if err != nil {
		return nil, err
	}
	var all, sale, removed, returned []publish.Mutation
	for i, b := range books {
		m := made(b)
		all = append(all, m)
		if i%saleEvery == 0 {
			m.Operation, m.Attributes = catalog.Update, map[string]string{"price": b.price(true)}
			sale = append(sale, m)
		}
		if i%removeEvery == 0 {
			m.Operation, m.Attributes = catalog.Delete, nil
			removed = append(removed, m)
		}
		if i%returnEvery == 0 {
			returned = append(returned, made(b))
		}
	}
	return append(append(append(all, sale...), removed...), returned...), nil
}

// retail is a book as Pinterest's RETAIL.
func retail(b book) publish.Mutation {
	return publish.Mutation{
		Account: pinterestAccount, Catalog: bookCatalog, Type: "RETAIL", ItemID: b.itemID(), Operation: catalog.Upsert,
		Attributes: map[string]any{
			"title": b.title, "description": b.description, "link": b.link(), "image_link": b.image,
			"price": b.price(false), "availability": "in stock", "brand": b.authors, "product_type": "Books",
			"average_review_rating": b.rating, "number_of_ratings": b.ratings,
		},
	}
}

// product is a book as Meta's PRODUCT_ITEM.
func product(b book) publish.Mutation {
	return publish.Mutation{
		Account: metaAccount, Catalog: productCatalog, Type: "PRODUCT_ITEM", ItemID: b.itemID(), Operation: catalog.Create,
		Attributes: map[string]any{
			"title": b.title, "description": b.description, "link": b.link(), "image": []image{{URL: b.image}},
			"price": b.price(false), "availability": "in stock", "condition": "new", "brand": b.authors,
		},
	}
}

func readBooks(file string) ([]book, error) {
	var books []book
	err := readCompressed(file, func(content io.Reader) error {
		reader := csv.NewReader(content)
		header, err := reader.Read()
		if err != nil {
			return err
		}
		column := make(map[string]int, len(header))
		for i, name := range header {
			column[name] = i
		}
		for {
			row, err := reader.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			b, err := readBook(func(name string) string { return row[column[name]] })
			if err != nil {
				return err
			}
			books = append(books, b)
		}
	})
	return books, err
}

func readBook(value func(column string) string) (book, error) {
	rating, err := strconv.ParseFloat(value("average_rating"), 64)
	if err != nil {
		return book{}, fmt.Errorf("average_rating: %w", err)
	}
	ratings, err := strconv.Atoi(value("ratings_count"))
	if err != nil {
		return book{}, fmt.Errorf("ratings_count: %w", err)
	}
	return book{
		id: value("book_id"), title: value("title"), authors: value("authors"), image: value("image_url"),
		description: fmt.Sprintf("%s by %s, in %s editions", value("title"), value("authors"), value("books_count")),
		rating:      rating, ratings: ratings,
	}, nil
}
